"""This computer's measured peaks, and ``machine.json`` that keeps them. Every chapter predicts from it."""

from lessons.passport.document import Passport, PassportError
from lessons.passport.measuring import measure
from lessons.passport.store import check_target, load, load_or_measure, save

__all__ = ["Passport", "PassportError", "check_target", "load", "load_or_measure", "measure", "save"]
