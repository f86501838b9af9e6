"""The libraries that the lessons stand on: whether they can be used here, and if not, why."""

from __future__ import annotations

import importlib

from lessons.errors import LessonError

SHOWN = ("torch", "numba", "numpy", "tokenizers")  # what computes; ``lessons doctor`` always lists these
OTHERS = (
    "httpx",
    "matplotlib",
    "prometheus_client",
    "psutil",
    "pydantic",
    "starlette",
    "uvicorn",
)

ABSENT = "it is not installed"


def fault(package: str) -> str:
    """Return why a package cannot be used here, with the remedy; an empty text where it can.

    It is imported: that it is installed says little of a library with compiled parts.
    """
    try:
        module = importlib.import_module(package)
        if package == "numba":
            from lessons.kernels.tools import jit

            jit.check()
            module.get_num_threads()  # starts its threads, which the environment may have made impossible
    except ModuleNotFoundError as error:
        return ABSENT if error.name == package else f"it needs {error.name}, which is missing"
    except LessonError as reason:
        return str(reason)
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        remedy = "; look at the variables NUMBA_* of your environment" if package == "numba" else ""
        return f"it does not start ({first.rstrip('.')}){remedy}"
    return ""
