"""Finding an entry, and what a reader is told who spells it differently."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from lessons import datasheets
from lessons.errors import LessonError


def test_an_entry_has_the_values_of_its_file():
    file = Path(datasheets.__file__).with_name("accelerators.toml")
    stored = tomllib.loads(file.read_text("utf-8"))["h100_sxm"]
    found = dataclasses.asdict(datasheets.accelerator("h100_sxm"))
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if k in stored} == stored


@pytest.mark.parametrize("spelling", ["h100_sxm", "H100-SXM", "h100 sxm"])
def test_spelling_does_not_matter(spelling):
    assert datasheets.accelerator(spelling).key == "h100_sxm"


def test_every_key_is_found_by_its_own_name():
    finders = {
        "accelerators": datasheets.accelerator,
        "multiprocessors": datasheets.multiprocessor,
        "gpu_levels": datasheets.gpu_levels,
        "memories": datasheets.memory,
        "links": datasheets.link,
        "models": datasheets.model,
        "prices": datasheets.price,
    }
    for table, find in finders.items():
        for key in datasheets.table(table):
            assert find(key).key == key


def test_an_unknown_name_is_told_the_near_ones():
    with pytest.raises(LessonError, match=r"no entry 'h100'; the nearest are .*h100_sxm"):
        datasheets.accelerator("h100")
    with pytest.raises(LessonError, match="accelerators, multiprocessors, gpu_levels, memories, links"):
        datasheets.table("gpus")


def test_entries_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        datasheets.model("llama-3-8b").layers = 33
