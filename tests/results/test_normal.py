"""The normal form says what a source does, the same on every Python, and not how it is written."""

from __future__ import annotations

import hashlib

import pytest

from lessons.results.normal import bases, measuring, tokens

SMALL = 'def f(x, *, y=2):\n    """Words."""\n    return f"{x:{y}.3f} µs" if x else None\n'
SMALL_TOKENS = """Module( body= [ FunctionDef( args= arguments( args= [ arg( arg= |str 'x'| ) ] kw_defaults= [
Constant( value= |int 2| ) ] kwonlyargs= [ arg( arg= |str 'y'| ) ] ) body= [ Return( value= IfExp( body= JoinedStr(
values= [ FormattedValue( conversion= |int -1| format_spec= JoinedStr( values= [ FormattedValue( conversion= |int -1|
value= Name( id= |str 'y'| ) ) Constant( value= |str '.3f'| ) ] ) value= Name( id= |str 'x'| ) )
Constant( value= |str ' \\xb5s'| ) ] ) orelse= Constant( ) test= Name( id= |str 'x'| ) ) ) ] name= |str 'f'| ) ]
)"""

# What the versions of Python parse or print differently, and most of the syntax that the package uses.
LARGE = r"""
from __future__ import annotations
import a.b as c, d
@c.jit("int64(int64)", nogil=True)
async def f(x: int = 1, /, *args: str, y=[1, 2.5e-300, 1e999, 3j, ...], **kw) -> None:
    global g
    async with x as (p, q), y: pass
    text = f"{x=}{y = !r:>{10}}" 'and "this"' rf"\d{x:%H:%M}" f"{x!s:}" f"{{}}" f"{'a' 'b'}{x:{y}{y}}"
    name = '\N{GREEK SMALL LETTER MU}𞤀🫨' + u'x' + b'\xff'.decode('latin-1')
    z = {**kw, 1: (yield), "k": [*args][::2, 1:]} or {n for n in args if n if not n} and -1 ** ~2
    if (n := len(args)) > 10 >= 3: raise ValueError(n, f"{n} is too many") from None
    match x:
        case [1, *rest] | {"k": rest, **kw} if rest: del rest[0]
        case c.Point(0, y=None as w) | -1 | "s": nonlocal_ = lambda *a, k=1: (a, k)
        case _: assert isinstance(x, int), "an int"
    try: x @= y
    except* (OSError, c.E) as e: raise
    else: x: int
    finally: await x
class K(c.Base, metaclass=M): v: int = 0; __slots__ = ()
"""
LARGE_HASH = "e29e43d54e606e9cbf09b26fe85ea0800a3dcab3cccdefcf43d094b80dd49a42"


def stream(source, **options):
    return tokens(measuring(source, **options))


def test_the_stored_stream_of_a_small_sample():
    expected = []
    for number, piece in enumerate(SMALL_TOKENS.split("|")):
        expected += [piece] if number % 2 else piece.split()
    assert stream(SMALL) == expected


def test_the_stored_hash_of_a_large_sample():
    assert hashlib.sha256("\n".join(stream(LARGE)).encode()).hexdigest() == LARGE_HASH


@pytest.mark.parametrize(
    "one, other",
    [
        ("x = 1", "x   =  (1)  # one"),
        ("x = 'a' 'b'", 'x = "ab"'),
        ("x = 1_000; y = 0x10", "x = 1000\n\n\ny = 16"),
        ("f(a,\n  b,\n)", "f(a, b)"),
        ("def f():\n    'words'\n    return 1", "def f(): return 1"),
        ("class C:\n    x = 1\n    'what x is'", "class C: x = 1"),
        ("raise E(n, 'words')", "raise E(n, f'other {words}')"),
        ("assert x, 'words'", "assert x"),
        ("if TYPE_CHECKING:\n    import a\nx = 1", "x = 1"),
        ("if t.TYPE_CHECKING: import a\nelse: x = 1", "x = 1"),
        ("y = f'{x:}' f''", "y = f'{x}'"),
        ("y = f'a{x}' 'b' f'c'", "y = f'a{x}bc'"),
    ],
)
def test_what_is_written_otherwise_is_the_same(one, other):
    assert stream(one) == stream(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = 'None'"),
        ("x = []", "x = ()"),
        ("x = 'é'", "x = 'e'"),
        ("f(a, b)", "f(b, a)"),
        ("f(*a)", "f(a)"),
        ("x = a - (b - c)", "x = a - b - c"),
        ("if a: b()\nc()", "if a:\n    b()\n    c()"),
        ("raise E(n)", "raise E(m)"),
        ("raise E('words')", "raise F('words')"),
        ("if CHECKING: x = 1", "x = 1"),
        ("f'{x}'", "f'{x!r}'"),
        ("f'{x:3}'", "f'{x:4}'"),
        ("x = {1: 2}", "x = {1: 2, **d}"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
    ],
)
def test_what_does_something_else_is_not(one, other):
    assert stream(one) != stream(other)


TELLER = """
class {name}({base}):
    id = "a.x"
    title = {text!r}
    question: str = {text!r}
    def predict(self, passport): return 1
    def run(self, progress): return 2
    def draw(self, p, r, figure):
        from lessons import figures
        figures.line({text!r})
    def explain(self, p, r): return {text!r}
"""


def test_an_experiments_telling_is_left_out_and_no_other_classs():
    known = frozenset({"Experiment", "Trained"})
    telling = [TELLER.format(name="Trained", base="Experiment", text=text) for text in ("this", "that")]
    others = [TELLER.format(name="Shape", base="Module", text=text) for text in ("this", "that")]
    assert stream(telling[0], experiments=known) == stream(telling[1], experiments=known)
    assert stream(others[0], experiments=known) != stream(others[1], experiments=known)
    assert "str 'figures'" not in stream(telling[0], experiments=known)
    for part in ("return 1", "return 2", '"a.x"'):
        changed = telling[0].replace(part, part.replace("1", "3").replace("2", "3").replace("x", "y"))
        assert changed != telling[0]
        assert stream(changed, experiments=known) != stream(telling[0], experiments=known)


def test_classes_with_what_they_inherit():
    found = bases("class A(b.C, D[int], metaclass=M):\n    class E: pass\n")
    assert found == {"A": frozenset({"C", ""}), "E": frozenset()}
