"""What a notebook uses: ``study`` and ``show``, tables, listings, the ``%%gpu`` cell magic, and set-up."""

from lessons.notebook.listing import listing
from lessons.notebook.setup import setup
from lessons.notebook.study import show, study, this_passport
from lessons.notebook.tables import table

__all__ = ["listing", "setup", "show", "study", "table", "this_passport"]
