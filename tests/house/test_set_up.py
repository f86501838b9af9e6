"""``make`` survives a bad start: half-made environments are made anew, and what is missing is said in one sentence."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pip_failures
import pytest
import set_up
from pip_failures import SetUpError
from project import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="make, whose first step this is, belongs to Unix")

SECRET = "hunter2"


@pytest.fixture
def project(tmp_path, wheels, monkeypatch):
    """A project that installs ``tiny`` and has no environment yet."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return new_project(tmp_path / "a b$c")


def new_project(root):
    root.mkdir()
    (root / "pyproject.toml").write_text('requires-python = ">=3.11"\n')
    (root / "constraints.txt").write_text("tiny==1.0\n")
    return root


@pytest.fixture(scope="module")
def template(wheels, tmp_path_factory):
    """A project whose environment is made, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        root = new_project(tmp_path_factory.mktemp("template") / "project")
        make(root)
    return root


@pytest.fixture
def made(project, template):
    """The project with its environment."""
    shutil.copytree(template / ".venv", project / ".venv", symlinks=True)
    return project


def make(root, **options):
    set_up.set_up(root, ["tiny"], **options)


def another_version(root):
    (root / "constraints.txt").write_text("tiny==1.1\n")


def works(root):
    python = set_up.interpreter(root / ".venv")
    return subprocess.run([python, "-c", "import tiny"]).returncode == 0


def no_pip(venv):
    shutil.rmtree(next(venv.glob("lib/*/site-packages/pip")))


def no_python(venv):
    for link in venv.glob("bin/python*"):
        link.unlink()


def python_that_says(version):
    def plant(venv):
        no_python(venv)
        (venv / "bin" / "python").write_text(f"#!/bin/sh\necho '{version}'\n")
        (venv / "bin" / "python").chmod(0o755)

    return plant


def unfinished(venv):
    (venv / set_up.UNFINISHED).touch()


def only_folders(venv):
    shutil.rmtree(venv)
    (venv / "lib").mkdir(parents=True)
    (venv / "lib64").symlink_to("lib")


@pytest.mark.parametrize(
    "spoil, word",
    [
        (no_pip, "has no pip"),
        (no_python, "has no Python that runs"),
        (python_that_says("3 10"), "is of Python 3.10"),
        (python_that_says("segmentation fault"), "has no Python that runs"),
        (unfinished, "was interrupted"),
        (only_folders, "has no Python that runs"),
    ],
)
def test_an_environment_that_cannot_be_built_upon_is_known(made, spoil, word):
    assert set_up.fault(made / ".venv", made, exact=False) == ""
    spoil(made / ".venv")
    assert set_up.fault(made / ".venv", made, exact=False).startswith(word)
    set_up.remove(made / ".venv")
    assert not (made / ".venv").exists()


def test_a_spoilt_environment_is_made_anew_with_a_word(made, capfd):
    no_pip(made / ".venv")
    make(made)
    assert works(made) and ".venv has no pip; making it anew" in capfd.readouterr().out


def test_a_whole_environment_is_left_alone(made, capfd):
    before = (made / ".venv" / set_up.STAMP).stat().st_mtime_ns
    make(made)
    assert (made / ".venv" / set_up.STAMP).stat().st_mtime_ns == before
    assert capfd.readouterr() == ("", "")


def test_another_python_counts_only_where_one_was_asked_for(made, monkeypatch, capfd):
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    make(made)
    assert "making it anew" not in capfd.readouterr().out
    monkeypatch.setattr(
        set_up, "run", lambda command, root, **around: (root / ".venv" / "pyvenv.cfg").touch()
    )
    make(made, exact=True)
    assert "not 3.99; making it anew" in capfd.readouterr().out


def test_what_was_not_made_here_is_not_deleted(project):
    venv = project / ".venv"
    venv.mkdir()
    (venv / "diary.txt").write_text("mine")
    with pytest.raises(SetUpError, match="move it away"):
        make(project)
    assert (venv / "diary.txt").read_text() == "mine"


def test_a_link_to_an_environment_elsewhere_is_not_followed(project, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyvenv.cfg").write_text("")
    (project / ".venv").symlink_to(elsewhere)
    with pytest.raises(SetUpError, match="move it away"):
        make(project)
    assert (elsewhere / "pyvenv.cfg").exists()


@pytest.mark.slow
def test_an_interrupt_half_way_costs_only_time(project):
    """kill_loop.py interrupts it at random moments."""
    code = "import signal, sys, set_up; from pathlib import Path; set_up.ROOT = Path(sys.argv[1]); "
    code += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background job would ignore it
    code += "set_up.PACKAGES = ['tiny']; sys.argv[1:] = []; sys.exit(set_up.main())"
    command = [sys.executable, "-c", code, str(project)]
    around = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    process = subprocess.Popen(command, env=around, start_new_session=True, stderr=subprocess.PIPE, text=True)
    while not (project / ".venv" / "pyvenv.cfg").exists():
        time.sleep(0.01)
    time.sleep(1)  # pip is being installed
    os.killpg(process.pid, signal.SIGINT)
    assert "Traceback" not in process.communicate()[1] and process.returncode
    subprocess.run(command, env=around, check=True)
    assert works(project)


def test_two_at_once_work_one_after_the_other(project, capfd):
    with set_up.alone(project / "lock", "another set-up"):
        code = "import sys, set_up; from pathlib import Path\n"
        code += "with set_up.alone(Path(sys.argv[1]) / 'lock', 'another set-up'): print('in')"
        around = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(project)],
            env=around,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert f"another set-up is at work (process {os.getpid()} " in other.stderr.readline()
    assert other.communicate(timeout=30)[0] == "in\n"


def test_a_failure_that_changed_nothing_spoils_nothing(made, capfd):
    another_version(made)
    with pytest.raises(SetUpError, match="cannot all be had"):
        make(made)
    (made / "constraints.txt").write_text("tiny==1.0\n")
    capfd.readouterr()
    make(made)
    assert works(made) and capfd.readouterr().out == ""


def test_no_network_is_one_sentence(made, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    another_version(made)
    with pytest.raises(SetUpError, match="cannot be reached; connect to the network"):
        make(made)


def test_a_proxy_that_refuses_is_named_without_its_password(made, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "https://127.0.0.1:8/simple")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "1")
    another_version(made)
    with pytest.raises(SetUpError, match=r"the proxy http://127\.0\.0\.1:9 did not") as failure:
        make(made)
    assert SECRET not in str(failure.value)


def test_a_full_disk_is_one_sentence(project):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", project], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system of 4 MB, to be filled, can be mounted by root on Linux only")
    try:
        (project / "pyproject.toml").write_text('requires-python = ">=3.11"\n')
        (project / "constraints.txt").write_text("")
        with pytest.raises(SetUpError, match="no disk is left"):
            make(project)
    finally:
        subprocess.run(["umount", project], check=True)


def test_a_python_without_venv_is_one_sentence(project, monkeypatch):
    monkeypatch.setattr(
        set_up.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else "there"
    )
    with pytest.raises(SetUpError, match=r"lacks the module ensurepip.*apt-get install python3\.\d+-venv"):
        make(project)
    assert not (project / ".venv").exists()


def test_an_old_python_is_one_sentence(project):
    (project / "pyproject.toml").write_text('requires-python = ">=9.7"\n')
    with pytest.raises(SetUpError, match=r"the book needs 9\.7 or newer"):
        make(project)


@pytest.mark.parametrize(
    "said, sentence",
    [
        ("OSError: [Errno 28] No space left on device", "no disk is left"),
        (
            "ERROR: Could not find a version\nERROR: No matching distribution found for torch==2.13.0",
            "no torch==2.13.0",
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution", "cannot be reached"),
        ("ERROR: ResolutionImpossible: for help visit", "cannot all be had"),
        ("warning\nsomething nobody foresaw\n\n", "failed: something nobody foresaw"),
        ("", "it gave no reason"),
    ],
)
def test_what_pip_says_becomes_a_sentence(said, sentence, tmp_path):
    assert sentence in str(pip_failures.explain(["pip"], said, tmp_path))


def test_make_names_a_python_that_is_not_there():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(["make", "environment", "PYTHON=python9"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode and "there is no python9 here" in done.stderr


def test_the_set_up_can_be_read_by_an_old_python():
    old = next((path for path in map(shutil.which, ("python3.8", "python3.9", "python3.10")) if path), None)
    source = [(ROOT / "tools" / name).read_text() for name in ("set_up.py", "pip_failures.py")]
    source += [
        (ROOT / "src" / "lessons" / name).read_text() for name in ("files.py", "locks.py", "errors.py")
    ]
    for text in source:
        ast.parse(text, feature_version=(3, 8))
    if old and subprocess.run([old, "--version"], capture_output=True).returncode == 0:
        done = subprocess.run([old, Path(set_up.__file__)], capture_output=True, text=True)
        assert done.returncode == 2 and "or newer" in done.stderr
