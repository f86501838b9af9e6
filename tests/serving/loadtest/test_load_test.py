"""The load generator end to end, against a real server and against broken ones."""

import json
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from lessons.serving.request import Request
from lessons.serving.workload import write_trace

from .fakes import GOOD, PIECES, WARMING

COMMAND = [sys.executable, "-c", "import sys; from lessons.cli import main; sys.exit(main())", "loadtest"]


def loadtest(*words):
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)


def report(*words):
    done = loadtest(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("load", [("--concurrency", "3"), ("--rate", "20")])
def test_it_measures_what_the_server_counts(server, load):
    words = ("--requests", "6", "--input-tokens", "12", "--output-tokens", "5", "--ignore-eos", *load)
    found = report(f"{server}/v1", *words, "--ttft", "60", "--tpot", "60")
    assert (found["requests"], found["failed"], found["output_tokens"]) == (6, {}, 30)
    said = found["server"]
    assert said["generated tokens"] == 30 and said["prompt tokens"] == found["prompt_tokens"]
    assert found["prompt_tokens"] == 72
    assert 0 < found["ttft"]["p50"] <= found["ttft"]["p99"] and found["tpot"]["p50"] > 0
    assert found["attainment"] == 1 and found["goodput"] == pytest.approx(found["requests_per_second"])
    # A client's clock starts before the server's and stops after it.
    assert found["ttft"]["p99"] >= said["TTFT"]


def test_predicted_blocks_are_those_that_the_server_holds(server):
    """The test's own clock and the server's are a step apart, so that a few of the blocks may differ."""
    load = ("--requests", "4", "--concurrency", "4", "--input-tokens", "10", "--output-tokens", "90")
    blocks = report(server, *load, "--ignore-eos")["kv_blocks"]
    assert blocks["block_size"] == 16 and blocks["looks"] >= 3
    assert blocks["reported_max"] <= 24
    assert blocks["predicted_mean"] == pytest.approx(blocks["reported_mean"], rel=0.25)


def test_a_trace_is_sent_as_it_is(server, tmp_path):
    path = tmp_path / "trace.jsonl"
    write_trace(path, [Request(n, 0.1 * n, 3, 2 + n, (504, 3575, 282)) for n in range(3)])
    found = report(server, "--trace", str(path), "--ignore-eos")
    assert (found["prompt_tokens"], found["output_tokens"]) == (9, 2 + 3 + 4) and found["seconds"] > 0.2


def test_what_fails_is_counted_with_its_reason(server):
    done = loadtest(server, "--requests", "3", "--output-tokens", "384", "--input-tokens", "8")
    assert done.returncode == 1 and "0 finished, 3 failed" in done.stdout and "HTTP 400" in done.stdout


def answered(server):
    """Return how many requests the server has finished."""
    text = httpx.get(f"{server}/metrics").text
    return sum(float(x) for x in re.findall(r'request_success_total{finished_reason="[sl].*"} (.*)', text))


def test_an_interrupted_test_prints_what_it_measured(server):
    words = ("--requests", "500", "--concurrency", "2", "--input-tokens", "4", "--output-tokens", "3")
    # A shell's background job ignores Ctrl-C, and so do its children, unless they are told to heed it.
    heeding = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); "
    heeding += "runpy.run_module('lessons', run_name='__main__', alter_sys=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", heeding, *COMMAND[3:], server, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    before = answered(server)
    while answered(server) < before + 5:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and errors == ""
    assert "unfinished" in out and "TTFT" in out and "0 failed" in out and not out.startswith("requests  0 ")


@pytest.mark.parametrize(
    "words, message",
    [
        (["http://127.0.0.1:9"], "no server answers"),
        (["http://127.0.0.1:9", "--requests", "0"], "requests is 0"),
        (["http://127.0.0.1:9", "--rate", "-1"], "rate is -1.0"),
        (["http://127.0.0.1:9", "--trace", "/no/such/file"], "cannot read the trace"),
        (["nonsense"], "nonsense"),
        (["127.0.0.1:8000"], "give one like http://127.0.0.1:8000"),
        (["http://127.0.0.1:99999"], "a port is from 1 to 65535"),
        (["http://127.0.0.1:9", "--rate", "1e-9"], "a request a day is the least"),
        (["http://127.0.0.1:9", "--input-tokens", "1000000000000"], "give it fewer"),
        (["http://127.0.0.1:9", "--api-key", "no\nkey"], "the API key"),
        (["http://127.0.0.1:9", "--trace", "/dev/null"], "is a device"),
        (["http://127.0.0.1:9", "--trace", "/"], "cannot read the trace"),
    ],
)
def test_bad_input_is_one_sentence(words, message):
    done = loadtest(*words)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words, variable, expected",
    [
        (["--api-key", "mine"], "theirs", "Bearer mine"),
        ([], "theirs", "Bearer theirs"),
        ([], "", None),
    ],
)
def test_a_key_comes_from_the_option_or_the_environment(fake, monkeypatch, words, variable, expected):
    monkeypatch.setenv("OPENAI_API_KEY", variable)
    done = loadtest(fake.url, "--requests", "1", *words)
    assert done.returncode == 0 and "1 finished, 0 failed" in done.stdout
    assert {headers.get("Authorization") for headers in fake.headers} == {expected}
    assert "mine" not in done.stdout + done.stderr and "theirs" not in done.stdout + done.stderr


def test_one_odd_answer_leaves_a_report(fake):
    fake.say = lambda body, number: b"data: [1]\n\n" if number == WARMING + 4 else GOOD
    done = loadtest(fake.url, "--requests", "8", "--concurrency", "1")
    assert done.returncode == 1 and "7 finished, 1 failed" in done.stdout and done.stderr == ""


def test_a_stream_that_breaks_off_is_no_answer(fake):
    fake.say = lambda body, number: GOOD if number < WARMING else PIECES[0]
    done = loadtest(fake.url, "--requests", "3")
    assert done.returncode == 1 and "3 x a stream that broke off before [DONE]" in done.stdout
