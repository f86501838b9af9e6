"""These tests read the chapters' pages. What several of them need lies beside them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))
# Last: the chapters' tests in tests/experiments have the same names, and others import them.
sys.path.append(str(HERE))
