"""The first line of a notebook."""

from __future__ import annotations


def setup() -> None:
    """Register the ``%%gpu`` cell magic; outside IPython this does nothing."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None:
        from lessons.notebook.gpu import register

        register(shell)
