"""Where and when the numbers of a page were made, without a name of a host, a user or a folder."""

import socket
import subprocess

import pytest
import stamp

from lessons.topology import Topology

HERE = Topology("A processor", "x86_64", "Linux", 2, 16 << 30, (), ())


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    return tmp_path


def test_a_machine_in_one_line():
    assert stamp.machine(HERE) == "A processor, 2 logical CPUs, 16 GiB, no GPU"
    other = Topology(**{**vars(HERE), "gpus": ("Card", "Card"), "target": "haswell"})
    assert stamp.machine(other) == "A processor, compiled for haswell, 2 logical CPUs, 16 GiB, Card, Card"


def test_the_commit_says_whether_the_sources_are_those(repository):
    clean = stamp.commit(repository)
    head = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout
    assert clean.startswith("commit ") and len(clean.split()[1]) >= 10 and head.startswith(clean.split()[1])
    (repository / "untracked").write_text("")
    assert stamp.commit(repository) == clean
    (repository / "a").write_text("2")
    assert stamp.commit(repository) == f"{clean} with changes"


def test_a_folder_that_is_no_repository_has_no_commit(repository, tmp_path_factory, monkeypatch):
    assert stamp.commit(tmp_path_factory.mktemp("bare")) == ""
    (repository / "inside").mkdir()
    assert stamp.commit(repository / "inside") == ""  # a copy of the book in somebody else's repository
    monkeypatch.setenv("PATH", "")
    assert stamp.commit(repository) == ""


def test_the_stamp_tells_the_day_and_no_names():
    said = stamp.stamp(1_800_000_000.0)
    assert any(part.endswith("January 2027") for part in said) and any("NumPy" in part for part in said)
    assert socket.gethostname() not in " ".join(said).split()
    assert str(stamp.ROOT) not in " ".join(said)
