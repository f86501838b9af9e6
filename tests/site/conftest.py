"""The built site, served from this machine, and a browser that opens it."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
SITE = ROOT / "_build" / "html"
SOURCES = ("book", "src", "tools", "_config.yml", "_toc.yml", "pyproject.toml", "constraints.txt")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def is_stale():
    """Say whether anything that the site is made from changed after it was built."""
    index = SITE / "index.html"
    if not index.exists():
        return True
    built = index.stat().st_mtime
    files = (file for name in SOURCES for file in [ROOT / name, *(ROOT / name).rglob("*")])
    return any(
        file.is_file() and "__pycache__" not in file.parts and file.stat().st_mtime > built for file in files
    )


BUILD = pytest.StashKey[tuple[subprocess.Popen, IO[str]]]()


def pytest_collection_finish(session):
    """Begin to build the site, where a test wants it and it is missing or old, while the other tests run."""
    wanted = any("site" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and is_stale():
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the build
        command = [sys.executable, "tools/build_book.py"]
        build = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        session.config.stash[BUILD] = build, log


def pytest_sessionfinish(session):
    """End a build that nobody waited for."""
    build, _ = session.config.stash.get(BUILD, (None, None))
    if build is not None and build.poll() is None:
        build.kill()


@pytest.fixture(scope="session")
def site(request):
    """The folder of the site, when it is built."""
    build, log = request.config.stash.get(BUILD, (None, None))
    if build is not None and build.wait() != 0:
        log.seek(0)
        pytest.fail(log.read()[-8000:], pytrace=False)
    return SITE


@pytest.fixture(scope="session")
def served(site):
    """The address under which the site is served on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium, the one named by $CHROMIUM or found on the path.

    It lives for one module only: while it runs, its event loop lets nobody else start one (nbval's kernels do).
    """
    candidates = [os.environ.get("CHROMIUM"), *BROWSERS]
    program = next((found for name in candidates if name and (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium is installed (apt-get install chromium, or set $CHROMIUM)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield browser
        browser.close()
