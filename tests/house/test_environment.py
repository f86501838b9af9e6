"""pyproject.toml, constraints.txt, environment.yml and CONTRIBUTING.md name the same dependencies."""

import re
from collections import defaultdict
from itertools import chain

import yaml
from project import ROOT, metadata

CONDA_NAMES = {"torch": "pytorch-cpu"}
EXTRAS_IN_CONDA = ("book", "test", "lint")
ONLY_CONDA = {"python", "pip"}


def names(requirements):
    return {re.match(r"[\w-]+", text)[0] for text in requirements}


def constraints():
    """Return the versions of each package, one for most of them."""
    versions = defaultdict(set)
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, version = line.partition(" ;")[0].split("==")
        versions[name.lower().replace("_", "-")].add(version)
    return versions


def conda():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(item["pip"] for item in listed if isinstance(item, dict))
    lines = [item.partition(";")[0] for item in listed + by_pip if isinstance(item, str) and item != "-e ."]
    pairs = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?(?:==?(\S+))?", line).groups() for line in lines]
    return dict(pairs)


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
    assert {name: {version} for name, version in pinned.items()} == {
        name: tested[pip_names.get(name, name).replace("_", "-")] for name in pinned
    }


def test_constraints_are_public_exact_versions():
    for versions in constraints().values():
        assert all(re.fullmatch(r"[\d.]+(\.?post\d+)?", version) for version in versions)


def test_every_dependency_has_its_reason():
    project = metadata()
    everything = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    table = (ROOT / "CONTRIBUTING.md").read_text()
    reasons = set(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE))
    assert reasons == {re.match(r"[\w-]+", text)[0] for text in everything}
