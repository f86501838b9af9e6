"""These tests read the chapters' pages. What several of them need lies beside them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))
# Last: the tests of the experiments have files of the same names, and import theirs.
sys.path.append(str(HERE))
