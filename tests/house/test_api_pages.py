"""Every public module of the documented rooms is on the API pages, so that a new one is not forgotten."""

import re

from project import ROOT

PACKAGE = ROOT / "src" / "lessons"
BY_MODULE = ("formulas", "kernels", "kernels/tools", "llm", "serving")
BY_ROOM = ("units", "datasheets", "measure", "topology", "passport", "results", "figures", "notebook")


def test_the_pages_name_what_there_is():
    named = set()
    for page in (ROOT / "book" / "api").glob("*.md"):
        named |= set(re.findall(r"automodule:: (\S+)", page.read_text()))
    there = {f"lessons.{room}" for room in BY_ROOM}
    for room in BY_MODULE:
        names = (path.stem for path in (PACKAGE / room).iterdir() if path.name[0] != "_")
        there |= {f"lessons.{room.replace('/', '.')}.{name}" for name in names}
    assert named - {"lessons.experiments.base"} == there
