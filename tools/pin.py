"""Write constraints.txt anew: ``make pins``. One version of each package for every platform and Python of the README.

uv resolves all of them at once and from the public index alone: neither a wheel on this machine's disk nor pip's own
configuration may decide what a reader gets. A version that is already pinned stays while it can, so that a new
dependency changes one line; delete a line, or the file, to let it move.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from project import ROOT, metadata

FILE = ROOT / "constraints.txt"


def main() -> int:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        print("uv is missing from this environment: pip install -e '.[test]'", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / FILE.name
        if FILE.exists():
            shutil.copy(FILE, resolved)  # uv keeps what its output file already says
        extras = [word for extra in metadata()["optional-dependencies"] for word in ("--extra", extra)]
        command = [uv, "pip", "compile", "pyproject.toml", "--universal", "--python-version", oldest()]
        command += [
            *extras,
            "--no-header",
            "--no-annotate",
            "--quiet",
            "--no-python-downloads",
            "--output-file",
            str(resolved),
        ]
        status = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode
        if status == 0:
            FILE.write_text(simplified(resolved.read_text(encoding="utf-8")), encoding="utf-8")
    return status


def oldest() -> str:
    """Return the oldest Python of pyproject.toml."""
    return re.fullmatch(r">=([\d.]+)", metadata()["requires-python"])[1]


def simplified(resolved: str) -> str:
    """Drop the markers of packages that have one version: a constraint on what nobody asks for does nothing.

    Where a package has several, the condition on the Python version tells them apart, and stays.

    Raises:
        ValueError: when two versions differ by platform; nobody has needed that yet.
    """
    versions = defaultdict(list)
    for line in resolved.split("\n"):
        if line:
            pin, _, marker = line.partition(" ; ")
            versions[pin.partition("==")[0]].append((pin, marker))
    lines = []
    for name in sorted(versions, key=str.lower):
        if len(versions[name]) == 1:
            lines.append(versions[name][0][0])
            continue
        for pin, marker in versions[name]:
            bounds = [part for part in marker.split(" and ") if re.match(r"python(_full)?_version ", part)]
            if not bounds:
                raise ValueError(f"{name} has versions that differ by platform: {marker}")
            lines.append(f"{pin} ; {' and '.join(bounds)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
