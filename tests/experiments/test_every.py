"""What holds for every experiment of every chapter, on six machines that are not this one. Nothing is listed here."""

import json
import pkgutil
from importlib import import_module

import matplotlib
import matplotlib.pyplot as plt
import pytest
from machines import MACHINES

import lessons.experiments
from lessons.experiments.base import Outcome, Unavailable

CHAPTERS = [found.name for found in pkgutil.iter_modules(lessons.experiments.__path__) if found.ispkg]
EXPERIMENTS = [e for name in CHAPTERS for e in import_module(f"lessons.experiments.{name}").EXPERIMENTS]
matplotlib.use("agg")

every = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.id)
everywhere = pytest.mark.parametrize("passport", MACHINES, ids=lambda p: p.fingerprint)


def test_chapters_are_found():
    assert len(CHAPTERS) >= 7 and len({e.id for e in EXPERIMENTS}) == len(EXPERIMENTS)


@every
def test_it_says_what_it_is(experiment):
    assert type(experiment).__module__.split(".")[2] == experiment.slug
    assert experiment.question.endswith("?") and experiment.title and experiment.device in ("cpu", "cuda")
    assert (experiment.device == "cuda") == bool(experiment.cited)


@every
@everywhere
def test_it_predicts_or_says_what_is_missing(experiment, passport):
    if experiment.device == "cuda" and not passport.machine["gpus"]:
        pytest.skip("a chapter does not ask a machine without a GPU")
    try:
        prediction = experiment.predict(passport)
    except Unavailable as reason:
        assert len(str(reason)) > 20
        return
    assert prediction.quantity.unit == experiment.unit
    assert Outcome.from_json(json.loads(json.dumps(prediction.to_json()))).quantity == prediction.quantity


@pytest.mark.slow
@every
def test_its_small_form_runs_draws_and_explains_on_every_machine(experiment):
    if experiment.device == "cuda":
        pytest.skip("runs on a device; see tests/kernels and the recordings")
    small = experiment.small()
    assert experiment.small().SMALL == experiment.SMALL and vars(experiment).keys() <= vars(small).keys()
    try:
        result = small.run()
    except Unavailable as reason:
        assert len(str(reason)) > 20
        return
    result = Outcome.from_json(json.loads(json.dumps(result.to_json())))
    assert result.quantity.unit == experiment.unit
    for passport in MACHINES:
        try:
            prediction = small.predict(passport)
        except Unavailable:
            continue
        assert small.explain(prediction, result) and small.alt(prediction, result)
        if small.panels:
            figure, _ = plt.subplots(*small.panels)
            small.draw(prediction, result, figure)
            figure.canvas.draw()
            plt.close(figure)
