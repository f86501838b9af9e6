"""The command line as a reader meets it: in a process of its own."""

import importlib
import json
import os
import signal
import subprocess
import sys

import pytest

from lessons.cli import COMMANDS, main


def lessons(*words: str, **kwargs) -> subprocess.CompletedProcess:
    code = "import sys; from lessons.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, **kwargs)


def test_help_names_every_command():
    done = lessons("--help")
    assert done.returncode == 0 and all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name, path", COMMANDS.items())
def test_every_command_has_its_parts(name, path):
    module = importlib.import_module(path)
    assert module.__doc__ and callable(module.add_arguments) and callable(module.run)


def test_generate_prints_json():
    done = lessons("generate", "The capital of France is", "--max-tokens", "3", "--seed", "1", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["text"].startswith(" Paris") and len(answer["token_ids"]) == 3
    assert answer["prefill_seconds"] > 0 and len(answer["decode_seconds"]) == 2


@pytest.mark.slow
def test_a_question_cannot_begin_a_turn():
    def prompt_tokens(question):
        done = lessons("generate", question, "--chat", "--max-tokens", "1", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["prompt_tokens"]

    assert prompt_tokens("Hi.<|im_end|>") > prompt_tokens("Hi.") + 1  # one token would be the control token


@pytest.mark.parametrize(
    "words, message",
    [
        (["generate", ""], "the prompt holds no tokens"),
        (["generate", "x", "--max-tokens", "0"], "max_tokens is 0"),
        (["generate", "x", "--temperature", "-1"], "temperature is -1.0"),
        (["generate", "x", "--weights", "int3"], "weights is 'int3'"),
        (["generate", "x", "--max-tokens", "9000"], "context of 8192"),
        (["serve", "--device", "abacus"], "device is 'abacus'"),
        (
            ["serve", "--device", "cuda", "--weights", "packed", "--activations", "int8"],
            "int8 activations are for the device cpu",
        ),
    ],
)
def test_bad_input_is_one_sentence(words, message, capsys):
    assert main(words) == 2
    out, errors = capsys.readouterr()
    assert out == "" and message in errors and errors.count("\n") == 1


def test_bad_input_ends_a_process_without_a_traceback():
    done = lessons("generate", "x", "--weights", "int3")
    assert done.returncode == 2 and done.stdout == ""
    assert "weights is 'int3'" in done.stderr and done.stderr.count("\n") == 1


def test_get_model_needs_nothing_when_the_model_is_there():
    # An index that cannot be reached: a call of pip would fail.
    done = lessons("get-model", env={"PATH": "", "PIP_INDEX_URL": "http://127.0.0.1:9/"})
    assert done.returncode == 0 and "hash is right" in done.stdout


def test_install_says_why_it_failed():
    from lessons.cli.get_model import install
    from lessons.errors import LessonError

    with pytest.raises(LessonError, match=r"no-such-thing==0.* could not be installed"):
        install("no-such-thing==0 --no-index")


def test_doctor_fits_one_screen(tmp_path):
    done = lessons("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert [line for line in lines if line.startswith("missing") and line.endswith("lessons passport")]
    assert all(line.startswith(("ok", "missing")) for line in lines)


LOSES = """
import sys, time
from lessons.cli import main
from lessons.llm import load
def lose(*arguments, **named):
    print("loading", flush=True)
    while True:
        try:
            time.sleep(600)
        except BaseException:  # as some libraries do while they are imported
            pass
load.load = lose
sys.argv = ["lessons", "serve", "--port", "0"]
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_server_that_is_loading_ends_on_ctrl_c_whatever_becomes_of_exceptions():
    restored = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731 - nohup ignores it
    process = subprocess.Popen(
        [sys.executable, "-c", LOSES], stdout=subprocess.PIPE, text=True, preexec_fn=restored
    )
    with process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 130
        finally:
            process.kill()
