"""Decode items in DataLoader workers."""

from __future__ import annotations

import warnings
import zlib
from time import perf_counter

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.measure import median_interval
from lessons.passport import Passport
from lessons.units import Quantity


class Texts:
    """A data set whose items must be decoded: compressed English prose, as a real loader meets it."""

    def __init__(self, items: int, passes: int = 6) -> None:
        from pydoc_data.topics import topics

        text = "\n".join(topics.values()).encode()
        self.packed = zlib.compress(text[:400_000])
        self.items, self.passes = items, passes

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> int:
        return sum(len(zlib.decompress(self.packed)) for _ in range(self.passes))


class DataLoaderWorkers(Experiment):
    """Feed a consumer from 0 to 4 DataLoader workers."""

    id = "cpu_memory.loader"
    title = "speed-up of one DataLoader worker for each core"
    unit = "1"
    question = "How many times faster does a DataLoader decode with one worker for each core than with none?"
    SMALL = {"ITEMS": 8, "WORKERS": (0, 1)}
    WORKERS = (0, 1, 2, 4)
    ITEMS = 64

    def predict(self, passport: Passport) -> Outcome:
        cores = passport.threads
        # Worker 0 decodes in the consumer's own process; each further one adds a core, as long as there is one.
        return Outcome(
            Quantity(cores, "1"),
            {"workers": list(self.WORKERS), "speedup": [min(max(1, w), cores) for w in self.WORKERS]},
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology

        cores = topology.read().cores
        counts = sorted({*self.WORKERS, cores}) if cores <= 8 else list(self.WORKERS)
        seconds = {}
        for workers in counts:
            progress(f"{workers} workers")
            seconds[workers] = median_interval([self._pass(workers) for _ in range(3)], "s")
        speedups = {w: seconds[0].ratio(q) for w, q in seconds.items()}
        best = speedups[cores if cores in speedups else max(speedups)]
        return Outcome(
            best,
            {
                "workers": list(speedups),
                "speedup": [q.value for q in speedups.values()],
                "low": [q.low for q in speedups.values()],
                "high": [q.high for q in speedups.values()],
            },
        )

    def _pass(self, workers: int) -> float:
        """Return the seconds between the first item and the last, so that starting the workers is left out."""
        from torch.utils.data import DataLoader

        with warnings.catch_warnings():
            # torch warns of more workers than cores, which is what is tried here.
            warnings.simplefilter("ignore", UserWarning)
            loader: DataLoader[int] = DataLoader(Texts(self.ITEMS), batch_size=None, num_workers=workers)  # type: ignore[arg-type]
            items = iter(loader)
        next(items)
        start = perf_counter()
        for _ in items:
            pass
        return (perf_counter() - start) / (self.ITEMS - 1)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        figures.predicted(ax, prediction.data["workers"], prediction.data["speedup"])
        figures.measured(
            ax, result.data["workers"], result.data["speedup"], result.data["low"], result.data["high"]
        )
        ax.set_xticks(result.data["workers"])
        ax.set_xlabel("num_workers")
        ax.set_ylabel("items a second, times no worker")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        pairs = ", ".join(
            f"{w} workers {s:.2f}" for w, s in zip(result.data["workers"], result.data["speedup"])
        )
        return f"Decoding speed against the number of DataLoader workers, in multiples of none: {pairs}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        by_workers = dict(zip(result.data["workers"], result.data["speedup"]))
        most, peak = max(by_workers), max(by_workers.values())
        text = (
            "`num_workers=0` is the default, and it means that the training loop decodes each item itself while "
            "the device waits. "
        )
        if peak < 1.2:
            return text + (
                f"Here workers brought nothing: the best of all was {peak:.2f} times none. Either the cores had other "
                "work meanwhile, and a worker is worth a free core and nothing else, or handing the items from one "
                "process to another costs what decoding in parallel saves."
            )
        if by_workers[most] >= 0.95 * peak:
            return text + (
                f"Here the largest number tried, {most}, was as good as any. More workers than cores do not help "
                "further; they cost memory, since each is a process."
            )
        return text + (
            f"Past the cores more workers bring nothing: {most} of them reached {by_workers[most]:.2f}, and the best "
            f"was {peak:.2f}. They share the same cores, and the consumer needs one too."
        )
