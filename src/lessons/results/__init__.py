"""The ledger of predictions and measurements, recorded runs, and whether they are stale. Standard library only."""

from lessons.results.archive import pack, unpack
from lessons.results.digest import chapter_digest, code_digest
from lessons.results.ledger import Entry, Ledger
from lessons.results.recordings import Recording, find_recording, recordings, save_recording

__all__ = [
    "Entry",
    "Ledger",
    "Recording",
    "chapter_digest",
    "code_digest",
    "find_recording",
    "pack",
    "recordings",
    "save_recording",
    "unpack",
]
