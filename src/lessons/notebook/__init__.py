"""What a notebook uses: ``study`` and ``show``, ``in_short``, tables, the ``%%gpu`` cell magic, and set-up."""

from lessons.notebook.in_short import in_short
from lessons.notebook.setup import setup
from lessons.notebook.study import show, study, this_passport
from lessons.notebook.tables import table

__all__ = ["in_short", "setup", "show", "study", "table", "this_passport"]
