"""Colour the body of a ``%%gpu`` cell as Python. IPython's own lexer leaves the cells of unknown magics grey."""

from __future__ import annotations

from typing import Any, ClassVar

from ipython_pygments_lexers import IPython3Lexer
from pygments.lexer import bygroups, inherit, using
from pygments.lexers.python import Python3Lexer
from pygments.token import Operator, Text
from sphinx.application import Sphinx


class GpuLexer(IPython3Lexer):
    """IPython, and the book's own cell magic."""

    name = "IPython with %%gpu"
    aliases = ("ipython3",)
    tokens: ClassVar = {
        "root": [
            (
                r"(?s)(\s*)(%%gpu)([^\n]*\n)(.*)",
                bygroups(Text, Operator, Text, using(Python3Lexer)),
            ),
            inherit,
        ]
    }


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_lexer("ipython3", GpuLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
