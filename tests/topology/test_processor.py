"""Processors' names, from files and programs of systems that are not this one."""

import platform

import pytest

from lessons.topology import processor
from lessons.topology.told import answer

from .trees import tree

GRAVITON = (
    "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n"
)
LSCPU = "Architecture:          aarch64\nVendor ID:             ARM\nModel name:            Neoverse-N1\n"
BIG_LITTLE = "Model name:  Cortex-A55\n  Model: 0\nModel name:  Cortex-A76\n"


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return the name on a system that has these texts of ``cpuinfo`` and these programs."""

    def name(cpuinfo=None, **programs):
        monkeypatch.setattr(processor, "answer", lambda program, *rest: programs.get(program, ""))
        monkeypatch.setattr(platform, "processor", lambda: "")
        monkeypatch.setattr(platform, "machine", lambda: "aarch64")
        files = {} if cpuinfo is None else {"cpuinfo": cpuinfo}
        return processor.name(tree(tmp_path, files) / "cpuinfo")

    return name


def test_x86_is_read_from_the_file(system):
    text = "processor : 0\nmodel name\t: AMD EPYC 9B14\n\nprocessor : 1\nmodel name\t: AMD EPYC 9B14\n"
    assert system(text, lscpu="Model name: something else") == "AMD EPYC 9B14"


def test_arm_is_named_by_lscpu(system):
    assert system(GRAVITON, lscpu=LSCPU) == "Neoverse-N1"
    assert system(GRAVITON, lscpu=BIG_LITTLE) == "Cortex-A55 + Cortex-A76"


@pytest.mark.parametrize("lscpu", ["", "Model name:            -\n"])
def test_arm_without_a_name_is_its_numbers(system, lscpu):
    assert system(GRAVITON, lscpu=lscpu) == "Arm 0x41 0xd0c"


def test_apple_is_named_by_sysctl(system):
    assert system(sysctl="Apple M3\n") == "Apple M3"


def test_a_system_that_tells_nothing_has_its_architecture(system):
    assert system() == system("") == "aarch64"


def test_a_program_that_is_missing_or_fails_answers_nothing():
    assert answer("no-such-program-at-all") == ""
    assert answer("false") == ""
