"""Numba's ``njit`` and ``cfunc`` with a signature, kept on disk under names that say what they are made for.

See ``cache`` for what is kept, and where. That cache is built on parts of Numba which its makers may change in any
release. Where they did, kernels are compiled in every process, as Numba does by itself, and one warning says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba

from lessons.errors import LessonError

_cache_works = True  # as far as this process has seen


def njit(signature: Any, **options: Any) -> Callable[[Callable], Any]:
    """Compile a function for one signature, or load what an earlier process compiled.

    Args:
        signature: as for ``numba.njit``.
        options: as for ``numba.njit``; constants only, since the file's name says nothing of them.

    Raises:
        Unknown: when the function's closure holds what ``describe`` does not know.
    """

    def decorate(function: Callable) -> Any:
        return _make("njit", function, signature, options, lambda: numba.njit(signature, **options)(function))

    return decorate


def cfunc(signature: Any) -> Callable[[Callable], Any]:
    """Compile a C function, or load it; as ``numba.cfunc``. Raises as ``njit`` does."""

    def decorate(function: Callable) -> Any:
        return _make("cfunc", function, signature, {}, lambda: numba.cfunc(signature)(function))

    return decorate


def check() -> None:
    """See that Numba compiles at all.

    Raises:
        LessonError: when its environment tells it not to.
    """
    if getattr(numba.config, "DISABLE_JIT", False):
        raise LessonError(
            "NUMBA_DISABLE_JIT is set, and the kernels are nothing without the compiler; unset it and start anew"
        )


def _make(
    kind: str, function: Callable, signature: Any, options: dict[str, Any], plainly: Callable[[], Any]
) -> Any:
    """Return the kernel from the cache, or made ``plainly`` where the cache raises whatever."""
    global _cache_works
    check()
    if not _cache_works:
        return plainly()
    from lessons.kernels.tools.describe import Unknown

    try:
        from lessons.kernels.tools import cache

        return getattr(cache, kind)(function, signature, options)
    except Unknown:
        raise
    except Exception as error:
        kernel = plainly()  # raises again what is wrong with the kernel itself
        _cache_works = False
        warnings.warn(
            f"compiled kernels are not kept on disk, and each process takes its time to compile them: Numba "
            f"{numba.__version__} works differently from the versions this was written for "
            f"({type(error).__name__}: {error})",
            RuntimeWarning,
            stacklevel=3,
        )
        return kernel
