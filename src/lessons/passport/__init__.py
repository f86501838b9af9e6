"""This computer's measured peaks, and ``machine.json`` that keeps them. Every chapter predicts from it."""

from lessons.passport.document import Passport, PassportError
from lessons.passport.store import check_target, due, load, load_or_measure, measure

__all__ = ["Passport", "PassportError", "check_target", "due", "load", "load_or_measure", "measure"]
