"""Cards, as NVML, torch and nvidia-smi tell of them; each is a stand-in, since this machine may have none."""

import sys
from types import SimpleNamespace

import pytest

from lessons.topology import nvidia

from .trees import tree

H100 = "NVIDIA H100 80GB HBM3"
DRIVER = "580.65.06"
LINE = f"{H100}, {DRIVER}, 81559 MiB, 345 MHz, 1980 MHz, 2619 MHz, 2619 MHz, 700.00 W, Enabled, Disabled, 5, 16\n"
RTX = "NVIDIA GeForce RTX 4060"
SMALL = f"{RTX}, {DRIVER}, 8188 MiB, 210 MHz, 3105 MHz, 405 MHz, 8501 MHz, [N/A], [N/A], [N/A], 4, 8\n"


class NVMLError(Exception):
    pass


def refuse(*arguments):
    raise NVMLError("Not Supported")


def nvml(*names, **changes):
    """A stand-in for the library, with cards of these names."""
    clocks = {"sm": (345, 1980), "mem": (2619, 2619)}
    functions = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: len(names),
        "nvmlDeviceGetHandleByIndex": lambda i: i,
        "nvmlDeviceGetName": lambda card: names[card],
        "nvmlSystemGetDriverVersion": lambda: DRIVER,
        "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(total=81559 << 20),
        "nvmlDeviceGetMemoryBusWidth": lambda card: 5120,
        "nvmlDeviceGetClockInfo": lambda card, kind: clocks[kind][0],
        "nvmlDeviceGetMaxClockInfo": lambda card, kind: clocks[kind][1],
        "nvmlDeviceGetPowerManagementLimit": lambda card: 700_000,
        "nvmlDeviceGetEccMode": lambda card: [1, 1],
        "nvmlDeviceGetMigMode": lambda card: [0, 0],
        "nvmlDeviceGetCurrPcieLinkGeneration": lambda card: 5,
        "nvmlDeviceGetCurrPcieLinkWidth": lambda card: 16,
    }
    constants = {"NVMLError": NVMLError, "NVML_CLOCK_SM": "sm", "NVML_CLOCK_MEM": "mem"}
    return SimpleNamespace(**(functions | constants | changes))


def torch(*names):
    """A stand-in for torch that can use cards of these names."""
    return SimpleNamespace(
        cuda=SimpleNamespace(device_count=lambda: len(names), get_device_name=lambda i: names[i])
    )


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A computer with these stand-ins for libraries, none where left out, and these files of a driver."""

    def install(pynvml=None, torch=None, files=()):
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("SYSTEMROOT", str(tmp_path / "Windows"))
        monkeypatch.setitem(sys.modules, "pynvml", pynvml)
        monkeypatch.setitem(sys.modules, "torch", torch)
        return tree(tmp_path, dict.fromkeys(files, ""))

    return install


class NeverAsked:
    def __getattr__(self, name):
        raise AssertionError("torch was asked although there is no driver")


def test_without_a_driver_torch_is_not_asked(system):
    for pynvml in (None, nvml(nvmlInit=refuse), nvml()):
        assert nvidia.devices(system(pynvml, NeverAsked())) == ()


@pytest.mark.parametrize(
    "mark",
    ["proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg", "dev/nvmap", "Windows/System32/nvcuda.dll"],
)
def test_a_mark_of_a_driver_is_enough_to_ask_torch(system, mark):
    assert nvidia.devices(system(None, torch(H100), [mark])) == (H100,)
    assert nvidia.devices(system(nvml(nvmlInit=refuse), torch(H100), [mark])) == (H100,)


def test_nvml_finds_a_card_that_left_no_mark(system):
    assert nvidia.devices(system(nvml(H100), torch(H100))) == (H100,)


def test_torchs_word_counts(system):
    two = nvml("a", "b")
    assert nvidia.devices(system(two, torch())) == ()  # a build without CUDA, or all are hidden
    assert nvidia.devices(system(two, torch("b"))) == ("b",)


def test_without_torch_nvmls_word_counts(system):
    assert nvidia.devices(system(nvml("a", "b"))) == ("a", "b")
    assert nvidia.devices(system(None, None, ["dev/dxg"])) == ()


@pytest.mark.parametrize(
    "error", [RuntimeError("driver too old"), AssertionError("no CUDA"), OSError("a DLL")]
)
def test_a_torch_that_fails_has_no_devices(system, error):
    def fail():
        raise error

    broken = SimpleNamespace(cuda=SimpleNamespace(device_count=fail))
    assert nvidia.devices(system(nvml(H100), broken)) == ()


@pytest.mark.parametrize(
    "name", [f"nvmlDevice{word}" for word in ("GetCount", "GetHandleByIndex", "GetName")] + ["nvmlShutdown"]
)
def test_an_nvml_that_fails_half_way_raises_nothing(system, name):
    root = system(nvml(H100, **{name: refuse}), torch(H100), ["dev/nvidiactl"])
    assert nvidia.devices(root) == (H100,)


def test_every_field_of_a_data_centre_card_both_ways(system, monkeypatch):
    system(nvml("another", H100))
    by_nvml = nvidia.card(H100)
    assert set(by_nvml) == set(nvidia.FIELDS)
    assert by_nvml["bus_width"] == "5120 bit"
    by_program = nvidia.parse(SMALL + LINE, H100)
    assert set(by_program) == set(nvidia.QUERIES) == set(nvidia.FIELDS) - {"bus_width"}
    assert by_program == {key: by_nvml[key] for key in nvidia.QUERIES}
    system(None)
    monkeypatch.setattr(nvidia, "ask_nvidia_smi", lambda: SMALL + LINE)
    assert nvidia.card(H100) == by_program


def test_torch_knows_the_bus_where_nvmls_package_is_missing(system, monkeypatch):
    library = torch(RTX, H100)
    bus = {RTX: (128, 8_501_000), H100: (5120, 2_619_000)}
    library.cuda.get_device_properties = lambda i: SimpleNamespace(
        **dict(zip(("memory_bus_width", "memory_clock_rate"), bus[(RTX, H100)[i]]))
    )
    system(None, library)
    known = {"bus_width": "5120 bit", "clock_memory_max": "2619 MHz"}
    assert nvidia.card(H100) == known and set(nvidia.PROPERTIES) == set(known)
    monkeypatch.setattr(nvidia, "ask_nvidia_smi", lambda: SMALL + LINE)
    assert set(nvidia.card(H100)) == set(nvidia.FIELDS) and known.items() <= nvidia.card(H100).items()
    library.cuda.get_device_properties = lambda i: SimpleNamespace()  # an older torch
    assert set(nvidia.card(H100)) == set(nvidia.FIELDS) - {"bus_width"}
    assert nvidia.ask_torch("another") == {}


def test_what_a_card_does_not_support_is_left_out(system):
    library = nvml(H100, nvmlDeviceGetEccMode=refuse, nvmlDeviceGetMigMode=refuse)
    del library.nvmlDeviceGetMemoryBusWidth  # an older package
    system(library)
    assert set(nvidia.FIELDS) - set(nvidia.card(H100)) == {"ecc", "mig", "bus_width"}
    card = nvidia.parse(SMALL, RTX)
    assert {"power_cap", "ecc", "mig"} & set(card) == set() and card["pcie_width"] == "8"


def test_a_slice_of_a_card_is_that_card(system):
    system(nvml(H100))
    assert nvidia.card(f"{H100} MIG 1g.10gb")["device"] == H100


def test_no_driver_is_no_card(system):
    system()
    assert nvidia.ask_nvidia_smi() == ""
    assert nvidia.card(H100) == nvidia.parse("", H100) == nvidia.parse("No devices were found\n", H100) == {}


def test_no_field_identifies_a_machine():
    asks = [*nvidia.FIELDS.values(), *nvidia.PROPERTIES.values()]
    names = {name.lower() for ask in asks for name in ask.__code__.co_names}
    assert "nvmldevicegetname" in names
    secrets = ("serial", "uuid", "bus_id", "pciinfo", "hostname")
    assert not [n for n in {*names, *nvidia.QUERIES.values()} for secret in secrets if secret in n]
