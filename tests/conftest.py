"""What holds for every test: reproducible properties, and two processes that share the processor politely."""

import os
import zipfile
from collections import Counter

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads that wait in a loop would take the cores from the other process's tests.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Patient with the first call, which may compile.
settings.register_profile("book", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("book")


def pytest_configure(config):
    # Of itself xdist begins with the files of most tests, and one of few but long tests is begun when all else is done.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=longest_first(items))


def longest_first(items):
    """Return a key by which files with slow tests come first, the most of them before the others, then by their tests.

    Tests of a file stay together, in their order.
    """
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    return lambda item: (-slow[item.path], -tests[item.path], item.path)


@pytest.fixture(scope="session")
def llm():
    """The real model, loaded once a process: it takes half a gigabyte."""
    from lessons.llm.load import load

    return load()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """A folder with the wheel of a package called ``tiny``: installers are real, and the network is not needed."""
    folder = tmp_path_factory.mktemp("wheels")
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        for name, text in about.items():
            wheel.writestr(f"tiny-1.0.dist-info/{name}", text)
    return folder
