"""The tested helper package of *Bytes per Token*, the measured book.

Rooms are imported where they are used (``from lessons import units``), so that ``import lessons`` is instant.
"""

__version__ = "0.1.0"
