"""Which cells of a notebook a reader expects to show something."""

import ast

SHOWING = {"print", "study", "table", "listing", "render", "display"}


def should_show(source):
    """Say whether a reader expects something below this cell: it ends in a value, or in a call that shows one."""
    if source.startswith("%%gpu"):
        return True
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with another magic
        return False
    if not body or not isinstance(body[-1], ast.Expr):
        return False
    last = body[-1].value
    if isinstance(last, ast.Call):
        return getattr(last.func, "id", getattr(last.func, "attr", "")) in SHOWING
    return True
