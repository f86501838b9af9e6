"""Lets the tests import the two modules beside them, which chapter authors also run as scripts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
