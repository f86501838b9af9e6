"""The access log groups what lanes do by instruction, says bytes as they are, and refuses what no lane can do."""

import json
import os
import subprocess
import sys

import pytest

from lessons.errors import LessonError
from lessons.kernels.tools import access_log
from lessons.kernels.tools.access_log import Access, Recorder

# A module of launches that is not one of the book's: what it logs is known by looking at it.
MODULE = """
import numpy as np
from numba import cuda, int32

from lessons.kernels.tools.access_log import Launch


@cuda.jit
def branches(x, out):
    i = cuda.threadIdx.x
    if i % 2 == 0:
        out[i] = x[i]
    else:
        out[i] = x[2 * i] + x[0]


@cuda.jit
def loop(x, out):
    i = cuda.threadIdx.x
    for k in range(i % 3):
        out[i] += x[k]


@cuda.jit
def through_shared(x, out):
    first = cuda.shared.array(64, int32)
    second = cuda.shared.array((64, 2), int32)
    i = cuda.threadIdx.x
    first[i] = x[i]
    second[i, 0], second[i, 1] = x[i], 2 * x[i]
    cuda.syncthreads()
    pair = second[63 - i]
    out[i] = first[63 - i] + pair[1]


@cuda.jit
def bad(x, out, step):
    out[cuda.threadIdx.x] = x[cuda.threadIdx.x * step, 0][0]


LAUNCHES = {
    "branches": Launch(branches, (64,)),
    "loop": Launch(loop, (3,)),
    "through_shared": Launch(through_shared, (64,), "int32", threads=64),
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("launches")
    (path / "known_launches.py").write_text(MODULE)
    for name, shape in (("far", (4, 2, 2)), ("wide", (32, 2, 8)), ("odd", (32, 2, 3))):
        bad = f"LAUNCHES = {{'bad': Launch(bad, {shape}, 'float32', (1,))}}\n"
        (path / f"{name}_launches.py").write_text(MODULE + bad)
    return path


@pytest.fixture
def recorded(folder, monkeypatch):
    def record(name):
        monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        return access_log.record.__wrapped__(name)

    return record


def test_lanes_that_take_another_branch_are_idle(recorded):
    accesses, out = recorded("known_launches")["branches"]
    reads = {a.addresses for a in accesses if a.kind == "read"}
    assert reads == {
        tuple(4 * i if i % 2 == 0 else None for i in range(32)),
        tuple(8 * i if i % 2 else None for i in range(32)),
        tuple(0 if i % 2 else None for i in range(32)),
    }
    assert list(out) == [i if i % 2 == 0 else 2 * i for i in range(32)]


def test_a_loop_makes_one_access_per_turn_and_lanes_leave_it_one_by_one(recorded):
    accesses, _ = recorded("known_launches")["loop"]
    reads = [a.addresses for a in accesses if (a.array, a.kind) == ("x", "read")]
    assert reads == [
        tuple(0 if i % 3 > 0 else None for i in range(32)),
        tuple(4 if i % 3 > 1 else None for i in range(32)),
    ]


def test_shared_arrays_are_logged_with_the_width_of_what_a_lane_takes(recorded):
    accesses, out = recorded("known_launches")["through_shared"]
    reads = [a for a in accesses if a.kind == "read" and a.array.startswith("shared")]
    assert len(reads) == 4 and len({a.array for a in reads}) == 2  # two warps, two arrays
    narrow, wide = ([a for a in reads if a.width == width] for width in (4, 8))
    assert [a.addresses for a in narrow] == [
        tuple(4 * (63 - i) for i in range(32)),
        tuple(4 * (31 - i) for i in range(32)),
    ]
    assert [a.addresses for a in wide] == [
        tuple(8 * (63 - i) for i in range(32)),
        tuple(8 * (31 - i) for i in range(32)),
    ]
    assert list(out) == [3 * (63 - i) for i in range(64)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("far_launches", "outside of x"),
        ("wide_launches", "a lane moves 16 at most"),
        ("odd_launches", "a lane moves 16 at most"),
        ("no_such_module", "No module named"),
    ],
)
def test_what_cannot_be_logged_is_said_in_one_sentence(recorded, name, words):
    with pytest.raises(LessonError, match=words) as caught:
        recorded(name)
    assert "\n" not in str(caught.value)


def test_a_misaligned_vector_is_refused_as_a_device_does():
    """In a process of its own: this one's Numba may have been imported without the simulator."""
    code = (
        "import numpy as np\nfrom lessons.kernels.tools.access_log import Logged, Recorder\n"
        "x = np.zeros(132, np.uint8)[4:].view(np.float32).reshape(8, 4)\n"
        "odd = np.lib.stride_tricks.as_strided(x, (2, 4), (20, 4))\n"
        "Logged(Recorder(), 'x', odd)[1]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "misaligned address: 16 bytes at byte 20" in done.stderr


def test_the_order_of_threads_does_not_matter():
    """The same events in another order of the lanes give the same accesses."""
    events = [
        ((0, 0, 0), lane, at, "x", "read", 4 * lane + 128 * at, 4) for lane in range(40) for at in range(3)
    ]
    there, back = Recorder(), Recorder()
    there.events = events
    back.events = sorted(events, key=lambda event: -event[1])  # stable: each lane keeps its order
    assert there.accesses() == back.accesses() and len(there.accesses()) == 6
    assert there.accesses()[3].addresses[8:] == (None,) * 24  # the second warp has 8 threads


def test_a_log_survives_the_way_through_json():
    access = Access("x", "read", 4, (0, None))
    array, kind, width, lanes = json.loads(json.dumps(access))
    assert Access(array, kind, width, tuple(lanes)) == access
