"""A cache of compiled kernels on disk that knows specialised ones.

A kernel here is made for one format, one number of rows, one width of vectors: what it is made for stands in the
closure of its source function, as numbers, intrinsics and other kernels. Numba's own cache names each of the last
two by chance, so that no later process finds it; it sees no change in another file; and two processes that save
different kernels of one source function at the same time may swap them. Here the closure is described by what it
holds, the description is part of the function's name, and so of its file's, and a file counts only for the sources it
was made from.

The files lie where Numba would put them: in ``NUMBA_CACHE_DIR``, else beside the source. Where no folder can be
written, or a file is damaged, the kernel is compiled.

All that this module takes from ``numba.core`` is private there. ``jit`` is prepared for its change.
"""

from __future__ import annotations

import glob
import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.ccallback import CFunc
from numba.core.registry import cpu_target

from lessons.kernels.tools.describe import describe

_HERE = Path(__file__).parent
FOLDER = _HERE.parent  # of all kernels


def njit(function: Callable, signature: Any, options: dict[str, Any]) -> Any:
    """Return the function compiled for one signature; see ``jit.njit``."""
    _name(function)
    dispatcher = numba.njit(**options)(function)
    _use_cache(dispatcher, function)
    dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


def cfunc(function: Callable, signature: Any, options: dict[str, Any]) -> CFunc:
    """Return the C function; see ``jit.cfunc``."""
    _name(function)
    made = CFunc(function, (signature.args, signature.return_type), locals={}, options=options)
    _use_cache(made, function)
    made.compile()
    return made


def _name(function: Callable) -> None:
    """Put what a function is made for into its name, from which Numba makes the symbols of its code.

    Numba tells functions of one source apart by counting them, and every process counts from 1. Code from the cache
    and code compiled here could so have one symbol, and the linker takes the first it met for both.
    """
    digest = hashlib.sha256(describe(function).encode()).hexdigest()[:16]
    function.__qualname__ = f"{function.__qualname__}_{digest}"


@cache
def _sources() -> str:
    """Return a digest of every file of the kernels: each may be inlined into any other."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Files(CompileResultCacheImpl):
    """Names a kernel's files by its function's name, which says what it is made for, and by the target."""

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        target = repr(cpu_target.target_context.codegen().magic_tuple())
        digest = hashlib.sha256(target.encode()).hexdigest()[:8]
        return f"{super().get_filename_base(fullname, abiflags)}-{digest}"


class _Cache(FunctionCache):
    _impl_class = _Files

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        base = self._impl.filename_base
        stamp = (self._impl.locator.get_source_stamp(), _sources())
        self._cache_file = IndexDataCacheFile(self._cache_path, base, stamp)
        # The index is written before the code. Were the code's name the same for old sources and new ones, another
        # process could meanwhile take the old code for the new.
        version = hashlib.sha256(repr(stamp).encode()).hexdigest()[:8]
        self._cache_file._data_name_pattern = f"{base}-{version}.{{number:d}}.nbc"
        self._older = f"{glob.escape(base)}-*.nbc", f"{base}-{version}."

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return sig  # the file's name says the rest

    def _save_overload(self, sig: Any, data: Any) -> None:
        super()._save_overload(sig, data)
        of_any_version, of_this_one = self._older
        for path in Path(self._cache_path).glob(of_any_version):
            if not path.name.startswith(of_this_one):
                path.unlink(missing_ok=True)

    @contextmanager
    def _guard_against_spurious_io_errors(self) -> Iterator[None]:
        with suppress(OSError, EOFError, pickle.UnpicklingError):
            yield


def _use_cache(compiled: Any, function: Callable) -> None:
    with suppress(RuntimeError):  # Numba's, where it finds no folder that it may write to
        compiled._cache = _Cache(function)
