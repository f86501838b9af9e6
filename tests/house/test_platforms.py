"""constraints.txt can be installed on every platform and Python of the README, from the public index alone.

pip evaluates the conditions of requirements for the machine that it runs on, whatever ``--platform`` says, so uv asks:
it resolves for a platform as a machine of that platform would, and downloads no package.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pin import simplified
from project import ROOT

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux Arm": "aarch64-manylinux_2_28",
    "macOS Apple silicon": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
SOURCE_ONLY = "llama-cpp-python"  # compiled where it is installed, by a choice of CONTRIBUTING.md


def resolve(platform, python, constraints=ROOT / "constraints.txt"):
    """Return what uv printed and whether it found a version of everything, in every extra, as a wheel."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    command = [uv, "pip", "compile", "pyproject.toml", "--all-extras", "-c", str(constraints), "--no-header"]
    command += ["--python-platform", platform, "--python-version", python, "--no-annotate"]
    command += ["--only-binary", ":all:", "--no-binary", SOURCE_ONLY, "--no-python-downloads"]
    # What this machine was told about indexes must not help: a reader has no wheels on the disk.
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_INDEX"))}
    around["MACOSX_DEPLOYMENT_TARGET"] = "14.0"  # the oldest that torch has wheels for
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True)
    if done.returncode and any(
        word in done.stderr for word in ("error sending request", "dns error", "Failed to fetch")
    ):
        pytest.skip("the public package index cannot be reached")
    return done


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_package_has_a_wheel(platform, python):
    done = resolve(PLATFORMS[platform], python)
    assert done.returncode == 0, f"{platform}, Python {python}: {done.stderr}"
    names = {line.partition("==")[0] for line in done.stdout.splitlines()}
    assert ("numba-cuda" in names) == ("macOS" not in platform)


def test_an_intel_mac_lacks_what_the_readme_says():
    done = resolve("x86_64-apple-darwin", PYTHONS[0])
    assert done.returncode and any(name in done.stderr for name in ("torch", "numba", "llvmlite"))
    assert "Intel Macs" in (ROOT / "README.md").read_text()


def test_a_planted_contradiction_is_found(tmp_path):
    text = (ROOT / "constraints.txt").read_text().splitlines()
    assert any(line.startswith("cuda-toolkit==13.0.") for line in text)
    planted = [line if not line.startswith("cuda-toolkit==") else "cuda-toolkit==13.5.0" for line in text]
    (tmp_path / "constraints.txt").write_text("\n".join(planted))
    done = resolve(PLATFORMS["Linux x86-64"], PYTHONS[0], tmp_path / "constraints.txt")
    assert done.returncode and "cuda-toolkit" in done.stderr


def test_pins_lose_the_conditions_that_tell_nothing_apart():
    resolved = """
b==2.0 ; python_full_version < '3.15' and sys_platform == 'linux'
A==1.0 ; python_full_version < '3.11.5' and sys_platform == 'linux'
A==1.1 ; python_full_version >= '3.11.5' and sys_platform == 'linux'
"""
    assert simplified(resolved).splitlines() == [
        "A==1.0 ; python_full_version < '3.11.5'",
        "A==1.1 ; python_full_version >= '3.11.5'",
        "b==2.0",
    ]
    with pytest.raises(ValueError, match="differ by platform"):
        simplified("a==1.0 ; sys_platform == 'linux'\na==1.1 ; sys_platform == 'win32'\n")
