"""A few kills of the quick commands; kill_loop.py, run by hand, kills all of them as often as one likes."""

import os
import signal
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither these signals nor make")

if os.name != "nt":
    import kill_loop
    from kill_loop import Command, Scratch


@pytest.mark.slow
def test_a_kill_costs_only_time(tmp_path):
    assert kill_loop.loop(tmp_path, 5, seed=0, minutes=2, names=["passport", "report", "environment"]) == []


HALF = """
import os, subprocess, sys, time
if os.path.exists("machine.json"):
    sys.exit(3)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open("machine.json", "w").write('{"half": ')
open("left", "w").close()
time.sleep(600)
"""


def test_what_is_broken_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(kill_loop, "PATIENCE", 1.0)
    (tmp_path / "bad").mkdir()
    scratch = Scratch(tmp_path, ["report"])
    command = Command("bad", [sys.executable, "-c", HALF], tmp_path / "bad", files=scratch.files())
    found = "\n".join(scratch.kill(command, 2.0, signal.SIGKILL))
    for words in (
        "goes on: ",
        "bad/machine.json is broken",
        "the next run fails: exit status 3",
        "stays for ever: bad/left",
    ):
        assert words in found
