"""JupyterLab as a reader sees it after `make lab`: no markup of the site, and the solutions folded."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from lab import refresh


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that serves fresh copies of the chapters."""
    folder = tmp_path_factory.mktemp("lab")
    refresh(folder / "notebooks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--no-browser", f"--port={port}", "--IdentityProvider.token=", "--ip=127.0.0.1"]
    words += ["--allow-root"] * (hasattr(os, "geteuid") and os.geteuid() == 0)
    around = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder), "JUPYTERLAB_SETTINGS_DIR": str(folder)}
    command = [sys.executable, "-m", "jupyterlab", *words, str(folder / "notebooks")]
    server = subprocess.Popen(command, env=around, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                urlopen(f"http://127.0.0.1:{port}/api", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.browser
def test_a_chapter_shows_what_its_page_shows(lab, chromium):
    page = chromium.new_page(viewport={"width": 1300, "height": 9000})
    page.goto(f"{lab}/lab/tree/cpu_memory.ipynb")
    page.wait_for_selector(".jp-RenderedMarkdown details", state="attached", timeout=60_000)
    shown = "\n".join(page.locator(".jp-RenderedMarkdown").all_inner_texts())
    assert re.findall(r"\{\w+\}`?|:label:|:class:", shown) == []
    assert "(Drepper, 2007)" in shown and "Exercise 1.1." in shown
    folds = page.evaluate("[...document.querySelectorAll('.jp-Notebook details')].map(d => d.open)")
    assert len(folds) >= 6 and not any(folds)  # solutions, and answers to the check
    assert "Sixteen float32 elements" not in shown  # of the first solution
    page.locator("details", has_text="Sixteen float32 elements").locator("summary").click()
    assert page.locator("details p", has_text="Sixteen float32 elements").is_visible()
    page.get_by_role("link", name="page fault").first.click()
    page.locator(".jp-RenderedMarkdown h1", has_text="Glossary").wait_for(timeout=60_000)
    page.close()
