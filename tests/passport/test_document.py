import pytest

from lessons.passport import Passport, PassportError
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.l1.1": Quantity(2e11, "B/s", 1.9e11, 2.1e11, 9),
    "cpu.bandwidth.read.dram.1": Quantity(2e10, "B/s"),
    "cpu.bandwidth.triad.dram.2": Quantity(3e10, "B/s"),
    "cpu.latency.dram": Quantity(1e-7, "s"),
    "cpu.flops.float32.1": Quantity(1e11, "FLOP/s"),
    "cpu.matmul.bfloat16.2": Quantity(4e11, "FLOP/s"),
    "cpu.cost.launch": Quantity(3e-6, "s"),
    "disk.read": Quantity(1e9, "B/s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
    "cuda.transfer.h2d.pinned": Quantity(5e10, "B/s"),
}


def passport(gpus=("NVIDIA H100",)):
    return Passport({"cores": 2, "caches": [], "gpus": list(gpus)}, "made up", "2026-01-02", {}, PEAKS)


def test_every_question_finds_its_peak():
    p = passport()
    assert p.threads == 2
    assert p.levels == ["l1", "dram"]
    assert p.bandwidth("read", "l1").low == 1.9e11
    assert p.bandwidth("triad", threads=None).value == 3e10
    assert p.bandwidth(device="cuda").value == 3e12
    assert p.latency().value == 1e-7
    assert p.flops().unit == "FLOP/s"
    assert p.matmul("bfloat16", threads=None).value == 4e11
    assert p.cost("launch").value == 3e-6
    assert p.disk().value == 1e9
    assert p.transfer().value == 5e10


def test_what_was_not_measured_is_said():
    with pytest.raises(PassportError, match=r"no 'cuda\.transfer\.d2h\.pageable'.*`lessons passport`"):
        passport().transfer("d2h", pinned=False)


def test_what_this_machine_cannot_have_is_said():
    with pytest.raises(
        PassportError, match=r"no CUDA device that torch can use, so it has no 'cuda\.latency"
    ):
        passport(gpus=()).latency(device="cuda")
