"""``lessons report`` prints the ledger as a table."""

from __future__ import annotations

from lessons import topology
from lessons.cli import main
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def test_the_table_has_each_entry_with_its_ratio(tmp_path, capsys):
    here = topology.read().fingerprint()
    for id_, predicted, measured, machine in (
        ("a.x", 1, 2, here),
        ("b.y", 4, 1, here),
        ("c.z", 1, 1, "away"),
    ):
        quantities = (Quantity(predicted, "s"), Quantity(measured, "s"))
        Ledger(tmp_path).write(Entry(id_, "a title", *quantities, machine=machine))
    assert main(["report", "--ledger", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "experiment"
    assert lines[1].startswith("a.x") and lines[1].endswith("2.00  more than predicted")
    assert lines[2].startswith("b.y") and lines[2].endswith("0.250  less than predicted")
    assert len(lines) == 3


def test_an_empty_ledger_says_what_to_do(tmp_path, capsys):
    assert main(["report", "--ledger", str(tmp_path / "none")]) == 0
    assert "make book" in capsys.readouterr().out


def test_a_damaged_ledger_is_one_sentence(tmp_path, capsys):
    (tmp_path / "a.x.json").write_text("{")
    assert main(["report", "--ledger", str(tmp_path)]) == 2
    assert "not a ledger" in capsys.readouterr().err
