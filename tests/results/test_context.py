"""What is kept of a card, from lines as nvidia-smi writes them."""

from __future__ import annotations

from lessons.results import context

LINE = (
    "NVIDIA H100 80GB HBM3, 580.65.06, 81559 MiB, 345 MHz, 1980 MHz, 2619 MHz, 2619 MHz, 700.00 W, "
    "Enabled, Disabled, 5, 16\n"
)
SMALL = "NVIDIA GeForce RTX 4060, 580.65.06, 8188 MiB, 210 MHz, 3105 MHz, 405 MHz, 8501 MHz, [N/A], [N/A], [N/A], 4, 8"


def test_every_field_of_a_data_centre_card():
    card = context.parse_card(LINE)
    assert set(card) == set(context.FIELDS)
    assert card["device"] == "NVIDIA H100 80GB HBM3"
    assert (card["power_cap"], card["ecc"], card["mig"]) == ("700.00 W", "Enabled", "Disabled")
    assert (card["clock_sm"], card["clock_sm_max"]) == ("345 MHz", "1980 MHz")


def test_what_a_card_does_not_support_is_left_out():
    card = context.parse_card(SMALL)
    assert {"power_cap", "ecc", "mig"} & set(card) == set()
    assert card["pcie_width"] == "8"


def test_no_driver_is_no_card(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert context.query_card() == ""
    assert context.parse_card("") == {}


def test_no_field_identifies_a_machine():
    assert not {"serial", "uuid", "gpu_uuid", "pci.bus_id", "gpu_serial"} & set(context.FIELDS.values())


def test_versions_name_what_makes_the_numbers():
    assert {"python", "numpy", "numba", "torch"} <= set(context.versions())
