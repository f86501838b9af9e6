"""pyproject.toml, constraints.txt, environment.yml and CONTRIBUTING.md name the same dependencies."""

import re
from itertools import chain

import yaml
from project import ROOT, metadata

CONDA_NAMES = {"torch": "pytorch-cpu"}
EXTRAS_IN_CONDA = ("book", "test", "lint")
ONLY_CONDA = {"python", "pip"}


def names(requirements):
    return {re.match(r"[\w-]+", text)[0] for text in requirements if "python_version" not in text}


def constraints():
    lines = (ROOT / "constraints.txt").read_text().split()
    return {name.lower(): version for name, version in (line.split("==") for line in lines)}


def conda():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(item["pip"] for item in listed if isinstance(item, dict))
    pairs = [re.split("=+", item) for item in listed + by_pip if isinstance(item, str) and item != "-e ."]
    return {pair[0]: pair[1] if len(pair) > 1 else None for pair in pairs}


def test_conda_installs_what_pip_installs():
    project = metadata()
    wanted = names(project["dependencies"])
    for extra in EXTRAS_IN_CONDA:
        wanted |= names(project["optional-dependencies"][extra])
    assert {CONDA_NAMES.get(name, name) for name in wanted} == set(conda()) - ONLY_CONDA


def test_conda_installs_the_tested_versions():
    pip_names = {conda_name: name for name, conda_name in CONDA_NAMES.items()}
    pinned = {name: version for name, version in conda().items() if name not in ONLY_CONDA}
    tested = constraints()
    assert pinned == {name: tested[pip_names.get(name, name)] for name in pinned}


def test_constraints_are_public_exact_versions():
    for version in constraints().values():
        assert re.fullmatch(r"[\d.]+(\.?post\d+)?", version)


def test_every_dependency_has_its_reason():
    project = metadata()
    everything = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    table = (ROOT / "CONTRIBUTING.md").read_text()
    reasons = set(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE))
    assert reasons == {re.match(r"[\w-]+", text)[0] for text in everything}
