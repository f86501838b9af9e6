"""Run the chapters' experiments on this machine and keep the results as recordings.

Needs NumPy, Numba and torch: no Jupyter and no model file. What cannot run here is left out, and said. Recordings that
another machine made come home in an archive, and ``--unpack`` puts them in their place.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lessons.errors import LessonError
from lessons.locks import measuring

if TYPE_CHECKING:
    from lessons.experiments.base import Experiment
    from lessons.passport import Passport
    from lessons.results import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("slugs", nargs="*", metavar="SLUG", help="chapters to record (all)")
    parser.add_argument("--machine", help="a short name for this machine (made from the device's own)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="(cuda where there is one)")
    parser.add_argument(
        "--to", type=Path, metavar="FOLDER", help="where to write (where `lessons` reads them)"
    )
    parser.add_argument(
        "--rehearse", action="store_true", help="run small forms; they are not taken for results"
    )
    parser.add_argument(
        "--unpack", type=Path, metavar="ARCHIVE", help="run nothing; take what a GPU day recorded"
    )


def run(args: argparse.Namespace) -> int:
    """Record each chapter that has experiments for the device; return 1 when none could be run."""
    from lessons import passport, topology
    from lessons.files import check_writable
    from lessons.results import save_recording, unpack
    from lessons.results.recordings import FOLDER, recording_path

    if args.rehearse and not args.to:
        raise LessonError("what was rehearsed must not lie among results; name a folder for it with --to")
    folder = args.to or FOLDER
    if args.unpack:
        print(*unpack(args.unpack, folder, args.rehearse), sep="\n")
        return 0
    here = topology.read()
    device = args.device or ("cuda" if here.gpus else "cpu")
    if device == "cuda" and not here.gpus:
        raise LessonError("no CUDA device is found here; record the processor with --device cpu")
    chosen = list(chapters(device, args.slugs))
    unknown = set(args.slugs) - {slug for slug, _ in chosen}
    if unknown:
        raise LessonError(
            f"no experiments for {device} in {', '.join(sorted(unknown)) or 'a chapter without a name'}; "
            "see `lessons record -h`"
        )
    card = here.gpus[0] if device == "cuda" else here.cpu
    command = "lessons record" + "".join(f" {slug}" for slug in args.slugs) + f" --device {device}"
    if args.rehearse:
        command += " --rehearse"
        chosen = [(slug, [experiment.small() for experiment in listed]) for slug, listed in chosen]
    machine = machine_name(card) if args.machine is None else args.machine
    for slug, _ in chosen:  # time on a rented machine does not come back
        check_writable(recording_path(machine, slug, folder))
    written = 0
    with nullcontext() if args.rehearse else measuring(_say):
        mine = passport.load_or_measure(_say)
        for slug, experiments in chosen:
            recording = record(slug, experiments, mine, machine, command, card)
            if recording:
                print(save_recording(replace(recording, rehearsed=args.rehearse), folder))
                written += 1
    return 0 if written else 1


def chapters(device: str, slugs: Sequence[str] = ()) -> Iterator[tuple[str, list[Experiment]]]:
    """Yield each chapter's slug with its experiments for ``device``, where it has any; of ``slugs`` only, if given.

    No other chapter is imported.
    """
    import lessons.experiments

    for module in pkgutil.iter_modules(lessons.experiments.__path__):
        if not module.ispkg or (slugs and module.name not in slugs):
            continue  # a module is what every experiment is made of
        listed = importlib.import_module(f"lessons.experiments.{module.name}").EXPERIMENTS
        fitting = [e for e in listed if e.device == device]
        if fitting:
            yield module.name, fitting


def record(
    slug: str, experiments: list[Experiment], passport: Passport, machine: str, command: str, card: str
) -> Recording | None:
    """Run one chapter's experiments and return what they gave; None when none of them could run."""
    from lessons.results import Recording, chapter_digest, context
    from lessons.topology import nvidia

    outcomes: dict[str, dict[str, Any]] = {}
    for experiment in experiments:
        _say(experiment.id)
        try:
            experiment.check(passport)
            prediction = experiment.predict(passport)
            result = experiment.run(_say)
        except LessonError as reason:  # no second node, no model file: the chapter's other lines still count
            _say(f"left out: {reason}")
            continue
        except (
            Exception
        ):  # a fault of one experiment costs no other; time on a rented machine does not come back
            _say(f"{experiment.id} failed:\n{traceback.format_exc()}")
            continue
        outcomes[experiment.id] = {"prediction": prediction.to_json(), "result": result.to_json()}
    if not outcomes:
        return None
    is_cuda = experiments[0].device == "cuda"
    around = {"device": card, **(nvidia.card(card) if is_cuda else {})}
    return Recording(
        machine=machine,
        slug=slug,
        date=datetime.date.today().isoformat(),
        command=command,
        context={**around, "versions": context.versions()},
        digest=chapter_digest(slug),
        experiments=outcomes,
    )


def machine_name(device: str) -> str:
    """Make a folder's name of a device's: "NVIDIA H100 80GB HBM3" is "nvidia-h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-") or "unnamed"


def _say(message: str) -> None:
    print(f"  {message}", file=sys.stderr, flush=True)
