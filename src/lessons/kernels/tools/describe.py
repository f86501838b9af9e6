"""Words for what a kernel is made for: the same in every process, and different where compiled code would be."""

from __future__ import annotations

import dataclasses
import hashlib
from types import CodeType, EllipsisType, FunctionType
from typing import Any

# Constants, whose repr is the same everywhere. (Python 3.14 has slices among those of its code.)
PLAIN = (type(None), bool, int, float, complex, str, bytes, slice, EllipsisType)


class Unknown(TypeError):
    """A kernel's closure holds a kind of thing that no kernel was made for yet."""


def describe(thing: Any) -> str:
    """Return words that are the same in every process, and differ where compiled code would.

    Args:
        thing: a constant, a type of Numba or LLVM, a function, plain or compiled, with all that its closure holds,
            or a collection or dataclass of such.

    Raises:
        Unknown: for anything else.
    """
    if isinstance(thing, PLAIN):
        return repr(thing)
    if isinstance(thing, tuple | list):
        return f"({', '.join(map(describe, thing))})"
    if isinstance(thing, frozenset):
        return f"{{{', '.join(sorted(map(describe, thing)))}}}"
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        values = (describe(getattr(thing, field.name)) for field in dataclasses.fields(thing))
        return f"{type(thing).__qualname__}({', '.join(values)})"
    if isinstance(thing, FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        name = f"{thing.__module__}.{thing.__qualname__}"
        return f"{name}-{_digest(thing.__code__)}{describe(thing.__defaults__)}{describe(cells)}"
    return _describe_compiler(thing)


def _digest(code: CodeType) -> str:
    """Return a digest of what a function does: one name may stand for two, in two branches of an ``if``.

    Not where it stands: a line added above would leave the old file behind, under a name that nobody asks for again.
    """
    constants = [_digest(c) if isinstance(c, CodeType) else describe(c) for c in code.co_consts]
    words = describe((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _describe_compiler(thing: Any) -> str:
    """Describe what Numba and LLVM have made. The names imported here are Numba's own affair."""
    from llvmlite import ir
    from numba.core import types
    from numba.core.dispatcher import Dispatcher
    from numba.core.extending import _Intrinsic as Intrinsic

    if isinstance(thing, types.Type | ir.Type):
        return f"type {thing}"
    if isinstance(thing, Dispatcher):
        return describe(thing.py_func)
    if isinstance(thing, Intrinsic):
        return describe(thing._defn)
    kind = type(thing)
    if kind.__module__.partition(".")[0] == "numba":
        raise AttributeError(f"{kind.__module__}.{kind.__qualname__} is new")
    raise Unknown(f"a kernel is made for {thing!r}, a {kind.__name__}; teach describe() to name it")
