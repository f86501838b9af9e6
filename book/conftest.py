"""``pytest --nbval-lax`` on a page leaves the built book's ledger alone."""

import os
from tempfile import TemporaryDirectory


def pytest_configure(config):
    if "LESSONS_LEDGER" not in os.environ:
        folder = TemporaryDirectory(prefix="ledger-")
        os.environ["LESSONS_LEDGER"] = folder.name
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop("LESSONS_LEDGER", None))
