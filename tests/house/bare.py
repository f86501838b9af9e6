"""A Python that has NumPy, Numba, numba-cuda and torch, what these need themselves, nothing else, and no network."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGES = ("numpy", "numba", "numba-cuda", "torch")
NO_NETWORK = """
import socket
def refuse(self, address):
    raise OSError("there is no network here")
socket.socket.connect = socket.socket.connect_ex = refuse
"""


def bare_python(folder, packages=PACKAGES):
    """Make an environment in ``folder`` out of links to these packages of this one, and return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in closure(packages):
        for path in top_level(package):
            if not (site / path.name).exists():
                (site / path.name).symlink_to(path)
    (site / "no_network.py").write_text(NO_NETWORK)
    (site / "no_network.pth").write_text("import no_network\n")
    return folder / "bin" / "python"


def closure(names):
    """Return the installed packages of these names and all that they require, extras left out."""
    found, queue = {}, list(names)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform, or another Python
            continue
        wanted = [text for text in found[name].requires or () if "extra ==" not in text]
        queue += [re.match(r"[\w.-]+", text)[0] for text in wanted]
    return found.values()


def top_level(package):
    """Return the files and folders beside each other that a package has installed."""
    names = {path.parts[0] for path in package.files or ()} - {"..", "__pycache__"}
    return [Path(package.locate_file(name)) for name in sorted(names)]
