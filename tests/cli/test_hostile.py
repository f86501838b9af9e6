"""Whatever is typed and whatever lies in a file: a command gives its answer, or says in one sentence what is wrong.

The commands and their arguments are found from the parser, so that a new one is tried as well.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest

from lessons import topology
from lessons.cli import ending, loadtest, main, parser
from lessons.cli.words import text
from lessons.experiments.base import Experiment, Outcome
from lessons.passport.pages import Page
from lessons.passport.probe import Probe
from lessons.results import Entry, Ledger, Recording, pack, recordings, save_recording
from lessons.serving.request import Request
from lessons.serving.workload import write_trace
from lessons.units import Quantity

# What an argument without a default gets while another one is tried, and what keeps the answers short.
NEEDED = {"prompt": "Hi", "url": "http://127.0.0.1:9"}
SHORT = {
    "generate": {"--max-tokens": "1"},
    "record": {"--device": "cpu", "--to": "out"},
    "loadtest": {"--requests": "2"},
}

SECRETS = {"api_key"}

NUMBERS = [
    *("0", "-1", "-0", "0.5", "1e400", "-1e400", "nan", "inf", "-inf", "1e-320", "1e-40", "1e300"),
    *(str(2**31), str(2**63), str(2**64), str(-(2**63) - 1), "9" * 400, "9" * 5000, "0x10", "1_0", "٣"),
]
TEXTS = [
    *("", " ", "\n", "two\nlines", "caf\udce9", "\udcff", "ünïcödé", "你好 🙂", "\x04", "\x1b[31m"),
    *(
        "a" * 5000,
        "{",
        "%s %n %(x)s",
        "$HOME",
        "-",
        "a,b",
        "http://[",
        "127.0.0.1:99999",
        "http://127.0.0.1:99999",
    ),
]

PEAKS = {"version": 1, "fingerprint": "x", "machine": {}, "peaks": []}
CONTENTS = {
    "empty": b"",
    "latin-1": "größe\n".encode("latin-1"),
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "binary": bytes(range(256)),
    "truncated": b'{"version": 2, "id": "a.x", ',
    "list": b"[1, 2]",
    "number": b"1e400",
    "text": b'"x"',
    "null": b"null",
    "object": b"{}",
    "deep": b"[" * 100_000,
    "long": b"9" * 5000,
    "peaks": json.dumps(PEAKS).encode(),
    "pages": json.dumps({**PEAKS, "probes": {"disk": {"peaks": []}}}).encode(),
    "paged": json.dumps({**PEAKS, "probes": []}).encode(),
}


def archive(path, content, name="day/recorded/a-card/roofline.json"):
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return paths that lead to all sorts of things: each content as a file, in a ledger's folder, in an archive."""
    here = tmp_path_factory.mktemp("files with a 'quote' #, %20, $HOME and ü")
    paths = [here, here / "missing", here / "missing" / "below", Path("/dev/null"), Path("/dev/full")]
    for name, content in CONTENTS.items():
        (here / name).write_bytes(content)
        (here / f"{name}.d").mkdir()
        (here / f"{name}.d" / "a.x.json").write_bytes(content)
        archive(here / f"{name}.tar.gz", content)
        paths += [here / name, here / name / "below", here / f"{name}.d", here / f"{name}.tar.gz"]
    shut = here / "shut"
    shut.write_bytes(b"{}")
    shut.chmod(0)
    paths += [shut, here / ("n" * 300), Path("x" * 5000)]
    return [str(path) for path in paths]


@cache
def loaded(*words, **named):
    from lessons.llm import load

    return load.really(*words, **named)


class Runs(Experiment):
    id = "roofline.runs"
    unit = "s"
    passages = {"title": "a thing"}

    def predict(self, passport):
        return Outcome(Quantity(1.0, "s"))

    def run(self, progress=lambda message: None):
        return Outcome(Quantity(2.0, "s"))


def measure(machine, sizes, progress):
    yield "cpu.chase.one", Quantity(1.0, "B/s")


PROBE = Probe("lessons.kernels.chase", "cpu.chase.", measure)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own, and in place of what takes minutes something quick. Everything else is real."""
    from lessons.llm import load
    from lessons.passport import peaks
    from lessons.serving import server

    for name in ("LESSONS_MACHINE", "LESSONS_LEDGER", "LESSONS_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    known = topology.read()
    monkeypatch.setattr(topology, "read", lambda: known)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # nobody pulls the plug in these
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where the measuring processes' lock lies
    monkeypatch.setattr(load, "really", load.load, raising=False)
    monkeypatch.setattr(load, "load", lambda *words, **named: loaded(*words, **named))
    monkeypatch.setattr(peaks, "PROBES", [PROBE])
    monkeypatch.setattr(server, "serve", lambda api, host, port, ready: server._listen(host, port).close())
    places = importlib.import_module("lessons.results.recordings")  # a function there has its name
    monkeypatch.setattr(places, "FOLDER", tmp_path / "recorded")
    record = importlib.import_module("lessons.cli.record")
    wanted = lambda device, slugs: [("roofline", [Runs()])] if not slugs or "roofline" in slugs else []  # noqa: E731
    monkeypatch.setattr(record, "chapters", wanted)
    return tmp_path


def commands():
    """Return the parser of each command."""
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return found.choices


def arguments():
    """Return each command's name with each of its arguments that take a value."""
    return [
        (name, action) for name, made in commands().items() for action in made._actions if action.nargs != 0
    ]


def words(command, action, value):
    """Return a command line on which ``action`` has ``value``, and all else is as it should be."""
    said = [command]
    excluded = {o for group in commands()[command]._mutually_exclusive_groups for a in group._group_actions
                if action.dest in [b.dest for b in group._group_actions] for o in a.option_strings}  # fmt: skip
    for option, short in SHORT.get(command, {}).items():
        if option not in action.option_strings and option not in excluded:
            said.append(f"{option}={short}")
    if action.option_strings:
        said.append(f"{action.option_strings[-1]}={value}")
    positionals = [a for a in commands()[command]._actions if not a.option_strings]
    given = [value if a.dest == action.dest else NEEDED.get(a.dest) for a in positionals]
    given = [word for word in given if word is not None]
    return [*said, "--", *given] if given else said


def named(value, sentence):
    """Tell whether a sentence names a value, in whatever form: as typed, as understood, or its beginning."""
    forms = [value, ending.one_line(value), repr(value)[1:-1], value.strip(), value.casefold()]
    forms += [value[:15], repr(value)[1:26], os.path.basename(value)[:25]]
    for kind in (int, float):
        with contextlib.suppress(ValueError, OverflowError):
            forms.append(str(kind(value)))
    begun = (f"no server answers at {NEEDED['url']}", "All connection attempts failed")  # the value was taken
    invisible = not any(c.isprintable() and not c.isspace() for c in value)
    return invisible or any(form and form in sentence for form in (*forms, *begun))


def complaint(status, out, err, value=""):
    """Return what is wrong with how a command ended; nothing where all is well."""
    if "Traceback" in out + err:
        return "a traceback"
    if status == 0:
        return ""
    if status != 2:
        return f"status {status}"
    if err.count("\n") != 1 or not err.startswith("lessons"):
        return "not one line"
    return "" if named(value, err) else "the value is not named"


def any_text():
    """Let what is captured take what a process's own streams take."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")


def complain(line, value, capsys, secret=""):
    """Run a command line; return it with what is wrong and what it said, if anything is; a secret is not to be said."""
    any_text()
    status = main(line)
    out, err = capsys.readouterr()
    wrong = complaint(status, out, err, value)
    if len(secret) > 9 and secret in out + err:
        wrong = "a secret is said"
    return [f"{' '.join(word[:60] for word in line)!r}: {wrong}: {err[-300:]!r}"] if wrong else []


def mutants(record):
    """Yield copies of a JSON record, each with one value, at any depth, that does not belong there or is missing."""
    for key in record:
        for strange in (
            None,
            True,
            -1,
            10**400,
            float("inf"),
            float("nan"),
            "",
            "../x",
            "\ud800",
            [],
            [1],
            {},
            {"a": 1},
        ):
            yield {**copy.deepcopy(record), key: strange}
        yield {other: value for other, value in record.items() if other != key}
        if isinstance(record[key], dict):
            yield from ({**copy.deepcopy(record), key: inner} for inner in mutants(record[key]))


def test_no_value_in_a_ledger_breaks_the_report(here, capsys):
    machine = topology.read().fingerprint()
    entry = Entry(
        "a.x", "t", Quantity(1.0, "s"), Quantity(2.0, "s", 1.0, 3.0, 9), 4.0, machine, Quantity(1.0, "s")
    )
    Ledger(here).write(entry)
    file, found = here / "a.x.json", []
    for place in (file, here / "guesses" / "a.x.json"):
        written = place.read_text()
        for mutant in mutants(json.loads(written)):
            place.write_text(json.dumps(mutant))
            found += [
                f"{mutant!s:.150}: {c}"
                for c in complain(["report", "--ledger", str(here)], str(file), capsys)
            ]
        place.write_text(written)
    assert not found, "\n".join(found)
    assert main(["report", "--ledger", str(here)]) == 0 and "4.00 s" in capsys.readouterr().out


def test_no_value_in_a_recording_breaks_unpacking(here, capsys):
    result = Outcome(Quantity(1.0, "s")).to_json()
    recorded = {"roofline.runs": {"prediction": result, "result": result}}
    made = Recording(
        "a-card", "roofline", "2026-11-01", "lessons record", {"device": "a card"}, "0", recorded
    )
    record = json.loads(save_recording(made, here).read_text())
    found = []
    for mutant in mutants(record):
        archive(here / "day.tar.gz", json.dumps(mutant).encode())
        found += complain(["record", "--unpack", "day.tar.gz", "--to", "home"], "", capsys)
    assert not found, "\n".join(found)


def test_no_value_in_a_passport_breaks_the_next_one(here, capsys):
    assert main(["passport"]) == 0
    record, found = json.loads(Path("machine.json").read_text()), []
    assert Page.from_json(record["probes"]["chase"]).peaks["cpu.chase.one"].value == 1.0
    capsys.readouterr()
    for mutant in mutants(record):
        Path("machine.json").write_text(json.dumps(mutant))
        found += [
            f"{mutant!s:.150}: {c}" for c in complain(["passport", "--if-needed"], "machine.json", capsys)
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "variable, line",
    [
        ("LESSONS_MACHINE", ["passport", "--if-needed"]),
        ("LESSONS_MACHINE", ["record", "--device=cpu", "--to=out"]),
        ("LESSONS_MACHINE", ["doctor"]),
        ("LESSONS_LEDGER", ["report"]),
    ],
    ids=str,
)
def test_a_variable_may_name_anything(variable, line, files, monkeypatch, capsys):
    found = []
    for value in ["", " ", *(t for t in TEXTS if t and len(t) < 200), *files]:
        monkeypatch.setenv(variable, value)
        found += complain(line, value, capsys)
    assert not found, "\n".join(found)


def test_every_help_fits_any_width(monkeypatch, capsys):
    for columns in ("1", "0", "-5", "x", ""):
        monkeypatch.setenv("COLUMNS", columns)
        for words_ in ([], *([name] for name in commands())):
            assert main([*words_, "--help"]) == 0
            assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", [[], ["nothing"], ["generate"], ["doctor", "--no-such"], ["report", "--ledger"]]
)
def test_a_command_line_that_cannot_be_parsed_is_one_sentence(line, capsys):
    status = main(line)
    assert not complaint(status, *capsys.readouterr()) and status == 2


def test_a_fault_of_our_own_is_one_line_with_its_place_and_all_of_it_on_request(monkeypatch, capsys):
    def broken(args):
        raise ZeroDivisionError("no\nsuch thing")

    monkeypatch.setattr("lessons.cli.report.run", broken)
    assert main(["report"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("lessons report: a fault of this program") and said.count("\n") == 1
    assert "ZeroDivisionError: no; test_hostile.py, line" in said
    monkeypatch.setenv("LESSONS_TRACEBACK", "1")
    assert main(["report"]) == 1 and "Traceback" in capsys.readouterr().err


def test_the_one_line_stays_one_and_commands_no_terminal(capsys):
    assert main(["record", "--device=cpu", "--to=out", "--machine=a\nb\x1b[2J"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\x1b" not in said and "a\\nb" in said


@pytest.mark.parametrize("command, action", [pytest.param(*a, id=f"{a[0]}-{a[1].dest}") for a in arguments()])
def test_every_argument_takes_a_value_or_refuses_it_in_a_sentence(command, action, files, capsys):
    found = []
    values = [*NUMBERS, *TEXTS, *files]
    if action.type is text:  # it names no file, and a long one takes its time
        values = [value for value in [*NUMBERS, *TEXTS] if len(value) < 100]
    for value in values:
        secret = action.dest in SECRETS
        found += complain(
            words(command, action, value), "" if secret else value, capsys, value if secret else ""
        )
    assert not found, "\n".join(found)


NAMES = [
    "a b",
    "it's",
    'a "quote"',
    "größe",
    "a#b%20c",
    "$HOME",
    "[x]*?",
    "-x",
    "~",
    "two\nlines",
    "caf\udce9",
]


def test_every_argument_that_is_a_path_is_tried_with_odd_names():
    paths = {
        (name, action.dest) for name, action in arguments() if action.type is Path or action.metavar == "FILE"
    }
    assert paths == {
        ("passport", "output"),
        ("record", "to"),
        ("record", "unpack"),
        ("report", "ledger"),
        ("loadtest", "trace"),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("inside", [True, False])
def test_a_path_may_have_any_name(name, inside, here, monkeypatch, capsys):
    """Under a folder of that name, and as that name alone."""
    any_text()
    folder = here / name
    folder.mkdir()
    if not inside:
        monkeypatch.chdir(folder)
    at = (lambda leaf: str(folder / leaf)) if inside else (lambda leaf: f"{name} {leaf}")

    for more in ([], ["--if-needed"]):
        assert main(["passport", f"--output={at('machine.json')}", *more]) == 0
    assert "kept" in capsys.readouterr().out and Path(at("machine.json")).is_file()

    monkeypatch.setenv("LESSONS_MACHINE", at("machine.json"))
    assert main(["record", "--device=cpu", "--machine=a-box", f"--to={at('day')}/recorded"]) == 0
    pack(Path(at("day")), Path(at("day.tar.gz")))
    assert main(["record", f"--unpack={at('day.tar.gz')}", f"--to={at('home')}"]) == 0
    assert [r.machine for r in recordings(folder=Path(at("home")))] == ["a-box"]

    seconds = Quantity(1.0, "s")
    Ledger(at("ledger")).write(Entry("a.x", "t", seconds, seconds, machine=topology.read().fingerprint()))
    assert main(["report", f"--ledger={at('ledger')}"]) == 0 and "a.x" in capsys.readouterr().out
    monkeypatch.setenv("LESSONS_LEDGER", at("ledger"))
    assert main(["report"]) == 0 and "a.x" in capsys.readouterr().out

    write_trace(at("trace"), [Request(0, 0.0, 3, 2)])
    (planned,) = loadtest.planned(parser().parse_args(["loadtest", NEEDED["url"], f"--trace={at('trace')}"]))
    assert planned.prompt_tokens == 3


@pytest.fixture
def read_only(tmp_path):
    """A folder that nobody can write to."""
    folder = tmp_path / "read only"
    folder.mkdir()
    mounted = os.name != "nt" and os.geteuid() == 0
    if mounted:
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("root can write to any folder, unless it may mount one")
    else:
        folder.chmod(0o555)
    yield folder
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folder that its owner cannot write to")
@pytest.mark.parametrize(
    "line", [["passport"], ["passport", "--if-needed"], ["record", "--device=cpu", "--to=out"]], ids=" ".join
)
def test_what_could_not_be_kept_is_not_measured(line, read_only, monkeypatch, capsys):
    def measured(*words):
        raise AssertionError("it was measured, in vain")

    monkeypatch.setattr("lessons.passport.peaks.take", measured)
    monkeypatch.setattr(Runs, "run", measured)
    monkeypatch.chdir(read_only)
    assert not complaint(
        main(line), *capsys.readouterr(), value="out" if "--to=out" in line else "machine.json"
    )
    assert os.listdir(read_only) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
def test_on_a_full_disk_what_was_measured_is_shown_and_nothing_is_half_written(here, capsys):
    """A limit of the files' size takes a disk's place: an empty file can be made, and nothing be written into it."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        status, recorded = main(["passport"]), main(["record", "--device=cpu", "--to=out", "--machine=a-box"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out, err = capsys.readouterr()
    assert (status, recorded) == (2, 2) and "Traceback" not in err
    assert "1.00 B/s" in out and "machine.json could not be written; name another file" in err
    assert "roofline.json cannot be written (File too large)" in err
    assert [path for path in here.rglob("*") if path.is_file() and ".lock" not in path.name] == []
