"""``lessons report`` prints the ledger as a table."""

from __future__ import annotations

from lessons.cli import main
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def test_the_table_has_each_entry_with_its_ratio(tmp_path, capsys):
    path = tmp_path / "ledger.json"
    Ledger(path).write(Entry("a.x", "a title", Quantity(1.0, "s"), Quantity(2.0, "s")))
    Ledger(path).write(Entry("b.y", "another", Quantity(4.0, "B/s"), Quantity(1.0, "B/s")))
    assert main(["report", "--ledger", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "experiment"
    assert lines[1].startswith("a.x") and lines[1].endswith("2.00")
    assert lines[2].startswith("b.y") and lines[2].endswith("0.250")


def test_an_empty_ledger_says_what_to_do(tmp_path, capsys):
    assert main(["report", "--ledger", str(tmp_path / "none.json")]) == 0
    assert "make book" in capsys.readouterr().out


def test_a_damaged_ledger_is_one_sentence(tmp_path, capsys):
    path = tmp_path / "ledger.json"
    path.write_text("{")
    assert main(["report", "--ledger", str(path)]) == 2
    assert "not a ledger" in capsys.readouterr().err
