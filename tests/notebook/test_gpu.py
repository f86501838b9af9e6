"""``%%gpu`` in a real IPython shell."""

import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lessons.errors import LessonError
from lessons.experiments.base import Experiment, Outcome
from lessons.notebook.gpu import register, studied
from lessons.results import Recording, save_recording
from lessons.units import Quantity


class Copy(Experiment):
    id = "cpu_memory.made_up"
    title = "a copy"
    unit = "s"
    device = "cuda"
    panels = None
    question = "How long does a copy take?"
    cited = "A source says so [there](https://example.org)."

    def explain(self, prediction, result):
        return f"It took {result.quantity}."


@pytest.fixture
def shell(monkeypatch):
    from lessons import topology

    here = topology.read()
    monkeypatch.setattr(topology, "read", lambda: type(here)(**{**here.__dict__, "gpus": ()}))
    shell = InteractiveShell.instance()
    register(shell)
    ran = []
    shell.push({"copy": Copy(), "study": ran.append})
    return shell, ran


def shown(shell, cell):
    with capture_output() as captured:
        shell.run_cell_magic("gpu", "", cell)
    return "\n".join(str(o.data.get("text/markdown", o.data.get("text/plain"))) for o in captured.outputs)


def test_without_a_device_and_a_recording_the_source_is_shown_and_nothing_runs(shell):
    text = shown(shell[0], "study(copy)")
    assert "How long" in text
    assert "[there](https://example.org)" in text
    assert shell[1] == []


def test_without_a_device_the_recording_is_shown_with_its_badge(shell, tmp_path, monkeypatch):
    outcome = Outcome(Quantity(2.0, "s")).to_json()
    recording = Recording(
        machine="a-machine",
        slug="cpu_memory",
        date="2026-01-02",
        command="lessons record",
        context={"device": "A Card"},
        digest="old",
        experiments={Copy.id: {"prediction": outcome, "result": outcome}},
    )
    save_recording(recording, tmp_path)
    module = sys.modules["lessons.results.recordings"]
    monkeypatch.setattr(
        sys.modules["lessons.notebook.gpu"], "find_recording", lambda id: module.find_recording(id, tmp_path)
    )
    text = shown(shell[0], "study(copy)")
    assert "recorded on A Card, 2026-01-02" in text
    assert "the code has changed since" in text
    assert "It took 2.00 s." in text
    assert shell[1] == []


@pytest.mark.parametrize(
    "cell", ["x = 1", "study(copy)\nprint(1)", "print(study(copy))", "study()", "study("]
)
def test_any_other_cell_is_refused_in_one_sentence(cell):
    with pytest.raises(LessonError, match=r"study\(x.name\)"):
        studied(cell)


def test_the_experiment_may_be_reached_by_attribute():
    assert studied("# a comment\nstudy(x.pinned, guess=2)") == "x.pinned"
