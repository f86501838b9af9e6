"""What a notebook uses: ``study``, ``show``, ``in_short``, tables, listings, the ``%%gpu`` cell magic, and set-up."""

from lessons.notebook.in_short import in_short
from lessons.notebook.listing import listing
from lessons.notebook.setup import setup
from lessons.notebook.study import show, study, this_passport
from lessons.notebook.tables import table

__all__ = ["in_short", "listing", "setup", "show", "study", "table", "this_passport"]
