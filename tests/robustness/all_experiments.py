"""Run the small form of every experiment of one chapter, and print what became of each, with its result, as JSON."""

import importlib
import io
import json
import sys

from lessons import figures, passport
from lessons.experiments.base import Unavailable


def outcome(experiment, machine):
    """Predict, run, draw and explain; return "ran" or the reason why this machine cannot, and the result."""
    if experiment.device == "cuda" and not machine.machine["gpus"]:
        return "needs a CUDA device", None
    try:
        experiment.check(machine)
        prediction = experiment.predict(machine)
        result = experiment.run()
    except Unavailable as reason:
        return str(reason), None
    if experiment.panels:
        figure, _ = figures.new(experiment.panels)
        with figures.style():
            experiment.draw(prediction, result, figure)
            figure.savefig(io.BytesIO(), format="png")
    assert experiment.explain(prediction, result)
    assert bool(experiment.alt(prediction, result)) == bool(experiment.panels)
    assert result.quantity.unit == prediction.quantity.unit == experiment.unit
    return "ran", result.to_json()


def main(slug):
    """Run the chapter ``slug`` on the passport that $LESSONS_MACHINE names."""
    machine = passport.load()
    chapter = importlib.import_module(f"lessons.experiments.{slug}")
    print(json.dumps({e.id: [e.device, *outcome(e.small(), machine)] for e in chapter.EXPERIMENTS}))


if __name__ == "__main__":
    main(sys.argv[1])
