"""The versions that stand beside a recorded number."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("lessons", "numpy", "numba", "numba-cuda", "torch")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make the numbers; what is missing is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
