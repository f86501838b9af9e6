"""A result is the book's only where nothing was changed from the source that it was printed with."""

import pkgutil
import sys
from copy import copy
from importlib import import_module

import pytest

import lessons.experiments
from lessons.allocators import mix
from lessons.experiments.base import Experiment
from lessons.notebook.changed import changed
from lessons.results.digest import closure

CHAPTERS = [found.name for found in pkgutil.iter_modules(lessons.experiments.__path__) if found.ispkg]
EXPERIMENTS = [e for name in CHAPTERS for e in import_module(f"lessons.experiments.{name}").EXPERIMENTS]
waste, independent, error, perplexity = (
    next(e for e in EXPERIMENTS if e.id == id)
    for id in ("kv_cache.waste", "cpu_memory.independent", "quantization.error", "quantization.perplexity")
)
Waste = type(waste)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.id)
def test_the_books_own_experiments_are_not_changed(experiment):
    for reached in closure(type(experiment).__module__):  # a run imports some of them late
        import_module(reached)
    assert changed(experiment) == ""


def test_a_constant_that_the_run_reaches_is_named_and_one_set_back_is_not(monkeypatch):
    with monkeypatch.context() as reader:
        reader.setattr(mix, "SPREAD", 0.5)
        assert changed(waste) == "mix.SPREAD"
        assert changed(error) == ""  # which never reaches it
        reader.setattr(mix, "SPREAD", 1.0)
        assert changed(waste) == ""


def test_a_function_that_the_run_reaches_is_named(monkeypatch):
    monkeypatch.setattr(mix, "request_mix", lambda: [(1, 1)])
    assert changed(waste) == "mix.request_mix"


def test_what_a_module_imports_by_name_is_named_where_it_is_another(monkeypatch):
    monkeypatch.setattr(sys.modules[Waste.__module__], "foreseen", lambda ratio: "as-foreseen")
    assert changed(waste) == "waste.foreseen"


def test_an_attribute_of_the_experiment_is_named(monkeypatch):
    monkeypatch.setattr(independent, "WALKS", (1, 2, 4), raising=False)
    assert changed(independent) == "independent.WALKS"
    one = copy(perplexity)
    one.formats += ("INT4",)
    assert changed(one) == "perplexity.formats" and changed(perplexity) == ""


def test_an_attribute_or_method_of_its_class_is_named(monkeypatch):
    monkeypatch.setattr(Waste, "block_sizes", (16, 32))
    assert changed(waste) == "Waste.block_sizes"
    monkeypatch.undo()
    monkeypatch.setattr(Waste, "run", lambda self, progress: None)
    assert changed(waste) == "Waste.run"


def test_the_small_form_is_not_the_books():
    assert changed(waste.small()) == "waste.block_sizes"


def test_a_class_of_the_readers_under_the_books_id_is_named():
    class Mine(Waste):
        pass

    assert changed(Mine()) == "Mine"


@pytest.mark.parametrize("id", ["kv_cache.mine", "mine.mine"])
def test_an_experiment_of_the_readers_own_is_the_readers(id):
    assert changed(type("Own", (Experiment,), {"id": id})()) == ""


def test_the_same_experiment_made_anew_is_the_books():
    assert changed(Waste()) == ""
