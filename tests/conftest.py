"""What holds for every test: reproducible properties, and two processes that share the processor politely."""

import os

from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads that wait in a loop would take the cores from the other process's tests.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Patient with the first call, which may compile.
settings.register_profile("book", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("book")
