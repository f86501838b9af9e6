"""A recording says which versions made it."""

from __future__ import annotations

from lessons.results import context


def test_versions_name_what_makes_the_numbers():
    assert {"python", "numpy", "numba", "torch"} <= set(context.versions())
