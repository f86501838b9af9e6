"""A lock lets one in at a time, names the holder, and outlives neither it nor what it has started."""

import os
import subprocess
import sys
import threading

import pytest

from lessons.locks import alone

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from lessons.locks import alone
with alone(Path(sys.argv[1]), "another") as lock:
    if sys.argv[2] == "child":
        code = "import sys; print('in', flush=True); sys.stdin.read()"
        subprocess.Popen([sys.executable, "-c", code], pass_fds=lock)
    else:
        print("in", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def hold(tmp_path):
    """Start a process that takes the lock, itself or with a child, and wait until it has it."""
    holders = []

    def start(how="itself"):
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock"), how]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holders.append(holder)
        assert holder.stdout.readline() == b"in\n"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


def test_the_holder_is_named_to_whoever_waits_and_killed_it_holds_nothing(tmp_path, hold):
    holder, said = hold(), []

    def hear(message):
        said.append(message)
        holder.kill()

    with alone(tmp_path / "lock", "another build", hear):
        pass
    assert said == [
        f"another build is at work (process {holder.pid} or what it has started); waiting for its end"
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows hands no locks down")
def test_a_child_that_was_given_the_lock_keeps_it_to_its_own_end(tmp_path, hold):
    holder, said, entered = hold("child"), [], threading.Event()
    holder.kill()
    holder.wait()

    def enter():
        with alone(tmp_path / "lock", "another", said.append):
            entered.set()

    waiter = threading.Thread(target=enter)
    waiter.start()
    assert not entered.wait(1.0) and len(said) == 1
    holder.stdin.close()
    waiter.join(30)
    assert entered.is_set()


def test_the_word_goes_to_stderr(tmp_path, hold, capsys):
    holder = hold()
    threading.Timer(0.3, holder.kill).start()
    with alone(tmp_path / "lock", "another"):
        pass
    out, err = capsys.readouterr()
    assert out == "" and str(holder.pid) in err and len(err.splitlines()) == 1


def test_the_same_thread_enters_again_and_another_waits(tmp_path):
    lock, entered = tmp_path / "lock", threading.Event()

    def enter():
        with alone(lock, "another"):
            entered.set()

    other = threading.Thread(target=enter)
    with alone(lock, "another") as outer:
        with alone(lock, "another") as inner:
            assert inner == outer
        other.start()
        assert not entered.wait(0.3)
    other.join(30)
    assert entered.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_whoever_leaves_lets_others_in_though_a_child_lives_on(tmp_path, capsys):
    with alone(tmp_path / "lock", "another") as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=lock)
    with alone(tmp_path / "lock", "another"):
        pass
    child.communicate()
    assert capsys.readouterr().err == ""


def test_where_nothing_can_be_written_nobody_waits(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with alone(tmp_path / "file" / "lock", "another") as lock:
        assert lock == ()
