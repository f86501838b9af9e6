"""The model can be installed into an environment without pip, as uv makes them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
INSTALL = "import sys; from lessons.cli.get_model import install; install(sys.argv[1])"


@pytest.fixture(scope="module")
def without_pip(tmp_path_factory):
    """The Python of an environment that uv made."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    folder = tmp_path_factory.mktemp("uv") / "venv"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    assert subprocess.run([python, "-c", "import pip"], capture_output=True).returncode
    return python


def run(python, *words, **around):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment = {**kept, "PYTHONPATH": str(SOURCE), **around}
    return subprocess.run([python, "-c", *words], env=environment, capture_output=True, text=True)


def test_uv_installs_where_pip_is_missing(without_pip, wheels):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = run(without_pip, INSTALL, "tiny==1.0", PATH=path, UV_OFFLINE="1", UV_FIND_LINKS=str(wheels))
    assert done.returncode == 0, done.stderr
    assert run(without_pip, "import tiny").returncode == 0


def test_without_pip_and_uv_the_remedy_is_named(without_pip, tmp_path):
    done = run(without_pip, INSTALL, "tiny==1.0", PATH=str(tmp_path))
    assert done.returncode and "neither pip nor uv" in done.stderr and "-m ensurepip` first" in done.stderr
