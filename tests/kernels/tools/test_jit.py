"""The cache of compiled kernels: found by a later process, never taken for another kernel's, never in the way."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import ir
from numba import types
from numba.core import caching, extending
from numba.core.bytecode import FunctionIdentity
from numba.core.errors import TypingError
from numba.extending import intrinsic

from lessons import kernels
from lessons.kernels import tools
from lessons.kernels.packed import cpu, int8
from lessons.kernels.packed.formats import FORMATS
from lessons.kernels.packed.isa import PLAIN
from lessons.kernels.tools import cache, jit
from lessons.kernels.tools.describe import Unknown, describe

word = types.int64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def constant(value):
    """Build the intrinsic that adds ``value``."""

    @intrinsic
    def add(typing, x):
        def codegen(context, builder, signature, args):
            return builder.add(args[0], ir.Constant(ir.IntType(64), value))

        return word(word), codegen

    return add


def adder(value):
    """Return a kernel that is made for ``value`` twice over: as a number and in an intrinsic."""
    add = constant(value)

    @jit.njit(word(word), nogil=True)
    def inner(x):
        return add(x)

    @jit.njit(word(word), nogil=True)
    def run(x):
        return inner(x) + value

    return run


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def test_a_kernel_is_found_again_and_not_taken_for_another(folder):
    assert [(adder(n)(1), hits(adder(n))) for n in (3, 4)] == [(7, 1), (9, 1)]
    assert [adder(n)(1) for n in (4, 3)] == [9, 7]
    names = {path.name for path in folder.rglob("*.nbc")}
    assert len(names) == 4  # two kernels, each with an inner one: a file each


def test_two_kernels_never_share_a_symbol(folder, monkeypatch):
    """Numba tells functions of one source apart by counting them, and each process counts from the beginning.

    A kernel from the cache and one compiled here would then have one symbol, and either could be called as both.
    """
    kernels = []
    for value in (3, 4, 5):
        monkeypatch.setattr(FunctionIdentity, "_unique_ids", itertools.count(10**6))
        kernels.append(adder(value))
    assert [kernel(1) for kernel in kernels] == [7, 9, 11]
    assert len({kernel.py_func.__qualname__ for kernel in kernels}) == 3


def test_a_c_function_is_found_again(folder):
    def build():
        inner = adder(5)

        @jit.cfunc(word(word))
        def run(x):
            return inner(x)

        return run

    assert build().ctypes(1) == 11
    again = build()
    assert again.cache_hits == 1
    assert again.ctypes(2) == 12


def test_after_a_change_of_the_sources_it_is_compiled(folder, monkeypatch):
    adder(3)
    assert hits(adder(3)) == 1
    monkeypatch.setattr(cache, "_sources", lambda: "another digest")
    before = {path.name for path in folder.rglob("*.nbc")}
    changed = adder(3)
    assert hits(changed) == 0
    assert changed(1) == 7
    assert hits(adder(3)) == 1
    after = {path.name for path in folder.rglob("*.nbc")}
    assert len(before) == len(after) == 2 and not before & after  # under new names, and the old ones are gone


def test_old_code_is_never_taken_for_new_while_it_is_being_replaced(folder, monkeypatch):
    """Numba writes the index first: a process that comes in between must not find the old code behind it."""
    adder(3)
    monkeypatch.setattr(cache, "_sources", lambda: "another digest")
    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", lambda *args: None)
    adder(3)  # writes the new index, and no code
    between = adder(3)
    assert hits(between) == 0
    assert between(1) == 7


@pytest.mark.parametrize("keep", [0, 10, 1000])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_file_that_was_cut_off_costs_a_compilation(folder, kind, keep):
    adder(3)
    for path in folder.rglob(f"*.{kind}"):
        path.write_bytes(path.read_bytes()[: min(keep, path.stat().st_size - 1)])
    kernel = adder(3)
    assert hits(kernel) == 0
    assert kernel(1) == 7


def test_without_a_folder_kernels_are_compiled(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert adder(3)(1) == 7
    assert hits(adder(3)) == 0


def test_a_full_disk_is_not_in_the_way(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    assert adder(3)(1) == 7


def other_arguments(self, one, more):
    raise AssertionError("reached only with arguments that nobody passes")


def elsewhere(patch, **names):
    """Let ``numba.core.extending`` be a module without ``_Intrinsic``, and with other names. Numba keeps its own."""
    module = ModuleType(extending.__name__)
    vars(module).update(
        {name: value for name, value in vars(extending).items() if name != "_Intrinsic"}, **names
    )
    patch.setitem(sys.modules, extending.__name__, module)


PLANTED = {
    "no index": lambda patch: patch.delattr(caching, "IndexDataCacheFile"),
    "no names": lambda patch: patch.delattr(caching, "CompileResultCacheImpl"),
    "another constructor": lambda patch: patch.setattr(caching.FunctionCache, "__init__", other_arguments),
    "other arguments": lambda patch: patch.setattr(caching.CacheImpl, "get_filename_base", other_arguments),
    "other loading": lambda patch: patch.setattr(caching.Cache, "load_overload", other_arguments),
    "no saving": lambda patch: patch.delattr(caching.Cache, "_save_overload"),
    "no intrinsics": elsewhere,
    "other intrinsics": lambda patch: elsewhere(patch, _Intrinsic=type("_Intrinsic", (), {})),
}


@pytest.mark.parametrize("change", PLANTED)
def test_where_numba_has_changed_kernels_are_compiled_with_one_warning(folder, monkeypatch, change):
    monkeypatch.setattr(jit, "_cache_works", True)
    # Imported anew, as in a process that starts with that Numba.
    monkeypatch.delitem(sys.modules, cache.__name__)
    monkeypatch.delattr(tools, "cache")
    PLANTED[change](monkeypatch)

    def c_function(x):
        return x + 1

    with pytest.warns(RuntimeWarning, match="not kept on disk.*Numba") as warned:
        assert [adder(n)(1) for n in (3, 4)] == [7, 9]
        assert jit.cfunc(word(word))(c_function).ctypes(1) == 2
    assert len(warned) == 1


def test_an_error_of_the_kernel_itself_is_no_change_of_numba(folder, monkeypatch):
    monkeypatch.setattr(jit, "_cache_works", True)

    def run(x):
        return x.missing

    with pytest.raises(TypingError):
        jit.njit(word(word))(run)
    assert hits(adder(3)) == 0 and hits(adder(3)) == 1


def test_what_cannot_be_named_is_refused():
    thing = object()

    def run(x):
        return thing

    with pytest.raises(Unknown, match=r"made for <object.*teach describe\(\)"):
        jit.njit(word(word))(run)


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
things = st.recursive(values, lambda inside: st.lists(inside, max_size=3).map(tuple), max_leaves=6)


@given(things, things)
def test_descriptions_tell_different_things_apart(a, b):
    assert (describe(a) == describe(b)) == (repr(a) == repr(b))


def test_two_functions_of_one_name_have_descriptions_of_their_own():
    def build(branch, constant=1):
        if branch:

            def inner(x):
                return x + 1

        else:

            def inner(x):
                return x + 2

        return inner

    one, other = build(True), build(False)
    assert one.__qualname__ == other.__qualname__
    assert describe(one) != describe(other)
    assert describe(one) == describe(build(True))
    up, down = lambda x: x + 1, lambda x: x - 1  # in one line, too
    assert describe(up) != describe(down)


def test_every_specialisation_of_a_packed_kernel_has_a_description_of_its_own():
    described = [
        describe(int8.tile(format, rows, isa))
        for format in FORMATS
        for rows in range(1, 17)
        for isa in (None, PLAIN.name)
    ]
    different = 1 if int8.choose(int8.ISAS) is PLAIN else 2
    assert len(set(described)) == len(FORMATS) * 16 * different


REPORT = """
from lessons.kernels.tools.describe import describe
from lessons.kernels.packed import cpu
kernel = cpu.span("NF4", 2, "int8")
print(sum(kernel.stats.cache_hits.values()), describe(kernel))
"""


def test_a_later_process_loads_it_whatever_its_hash_seed(tmp_path):
    def report(seed):
        env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": seed}
        out = subprocess.run(
            [sys.executable, "-c", REPORT], env=env, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        hits, described = out.split(" ", 1)
        return int(hits), described.strip()

    first, described = report("1")
    again, the_same = report("2")
    assert (first, again) == (0, 1)
    assert described == the_same == describe(cpu.span("NF4", 2, "int8"))


def test_the_digest_covers_every_file_of_the_kernels(tmp_path, monkeypatch):
    assert Path(kernels.__file__).parent == cache.FOLDER
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "deep" / "two.py").write_text("2")
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    digests = []
    for path in (None, Path("one.py"), Path("deep/two.py")):
        if path:
            (tmp_path / path).write_text("changed")
        digests.append(cache._sources.__wrapped__())
    assert len(set(digests)) == 3
