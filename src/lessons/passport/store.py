"""Where a passport comes from: ``machine.json``, or a measurement where that is missing or of another machine."""

from __future__ import annotations

from pathlib import Path

from lessons import topology
from lessons.errors import LessonError
from lessons.passport import pages
from lessons.passport.document import Passport, PassportError
from lessons.passport.doubts import lines
from lessons.passport.peaks import Peaks
from lessons.passport.probe import Progress
from lessons.places import passport_path


def _silent(message: str) -> None:
    pass


def load(from_: Path | None = None, progress: Progress = _silent) -> Passport:
    """Read this machine's passport. What it lacks is measured, and kept, when its value is asked for.

    Args:
        from_: the file; where ``lessons.places.passport_path`` says when left out.
        progress: told of each doubtful value now, and later of what is being measured.

    Raises:
        PassportError: when there is none, when it is damaged, or when another machine wrote it.
    """
    peaks = _open(from_ or passport_path(), progress)
    for line in lines(peaks.doubts):
        progress(line)
    return _passport(peaks)


def due(from_: Path | None = None) -> dict[str, str]:
    """Return which probes of this machine's passport have to measure, each with the reason; see ``load``."""
    return _open(from_ or passport_path(), _silent).due()


def measure(progress: Progress = _silent, to: Path | None = None, *, anew: bool = True) -> Passport:
    """Measure this computer and return its passport.

    Args:
        progress: told in a few words what is being measured.
        to: the file that keeps each probe's values as soon as they are there; None for none. ``check_target`` tells
            beforehand whether it can be written. Where it cannot, ``progress`` is told.
        anew: measure all; otherwise what the file lacks, and what is stale.
    """
    peaks = Peaks(topology.read(), to, progress)
    peaks.bring(anew=anew)
    return _passport(peaks)


def load_or_measure(progress: Progress = _silent) -> Passport:
    """Read this machine's passport; where there is none, or another machine's, measure and keep it.

    A folder that cannot be written is no obstacle: the passport is then good for this process only.
    """
    try:
        return load(progress=progress)
    except PassportError as reason:
        progress(f"{reason}; measuring now, which takes up to a minute")
    target: Path | None = passport_path()
    try:
        check_target(target)
    except LessonError as reason:
        progress(f"what is measured now will not be kept: {reason}")
        target = None
    return measure(progress, target, anew=False)


def check_target(to: Path | None = None) -> Path:
    """Return where the passport is to be written, after seeing that it can be: measuring takes a minute.

    Raises:
        LessonError: when the file is somebody else's, or no file, or cannot be written.
    """
    to = to or passport_path()
    pages.check_target(to)
    return to


def _open(path: Path, progress: Progress) -> Peaks:
    here, (fingerprint, _) = topology.read(), pages.read(path)
    if fingerprint != here.fingerprint():
        raise PassportError(
            f"{path} is of another machine ({fingerprint}), and this is {here.fingerprint()}; run `lessons passport`"
        )
    return Peaks(here, path, progress)


def _passport(peaks: Peaks) -> Passport:
    machine, dates = peaks.machine, peaks.dates
    return Passport(
        machine=machine.to_json(),
        fingerprint=machine.fingerprint(),
        date=" to ".join(dates[:1] + dates[1:][-1:]),
        versions=peaks.versions,
        peaks=peaks,
        sizes={f"cpu.{level}": size for level, size in topology.working_sets(machine).items()},
        doubts=peaks.doubts,
    )
