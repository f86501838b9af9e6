"""Decode items in DataLoader workers."""

from __future__ import annotations

import warnings
import zlib
from time import perf_counter

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import SYSTEM
from lessons.experiments.derivation import Derivation, Operand
from lessons.measure import median_interval
from lessons.measure.verdict import AT_MOST, differs
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
    unit = "1"
    kind = "at most"
    SMALL = {"ITEMS": 8, "WORKERS": (0, 1), "MOST": 2}
    FINDINGS = ("each-slower", "no-gain", "most-is-best", "fewer-are-best", *AT_MOST)
    WORKERS, MOST = (0, 1, 2, 4), 8
    ITEMS = 64

    def predict(self, passport: Passport) -> Outcome:
        cores = passport.threads
        by = Derivation(
            "min(c, w)",
            {
                "c": Operand("logical CPUs", Quantity(cores, "1"), SYSTEM),
                "w": Operand("workers at most", Quantity(self.MOST, "1"), "chosen"),
            },
        )
        # Worker 0 decodes in the consumer's own process; each further one adds a core, as long as there is one.
        counts = self._counts(cores)
        data = {"workers": counts, "speedup": [min(max(1, w), cores) for w in counts], "cores": cores}
        return Outcome(by.quantity(self.unit), data, by=by)

    def _counts(self, cores: int) -> list[int]:
        """Return the numbers of workers that are tried, rising: one for each core is among them, up to ``MOST``."""
        return sorted({*self.WORKERS, min(cores, self.MOST)})

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology

        cores = topology.read().cores
        seconds = {}
        for workers in self._counts(cores):
            progress(f"{workers} workers")
            seconds[workers] = median_interval([self._pass(workers) for _ in range(3)], "s")
        speedups = {w: seconds[0].ratio(q) for w, q in seconds.items()}
        data = {"workers": list(speedups), "speedup": list(speedups.values())}
        return Outcome(speedups[min(cores, self.MOST)], data)

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
        from lessons.experiments import looks

        (ax,) = figure.axes
        figures.predicted(ax, prediction.data["workers"], prediction.data["speedup"])
        looks.measured(ax, result.data["workers"], result.data["speedup"])
        ax.set_xticks(result.data["workers"])
        ax.set_xlabel("num_workers")
        ax.set_ylabel("items per second, times no worker")
        ax.set_ylim(bottom=0)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        speedups = dict(zip(result.data["workers"], result.data["speedup"]))
        most, best = max(speedups), max(filter(None, speedups), key=lambda workers: speedups[workers].value)
        return {
            "cores": prediction.data["cores"],
            "most": most,
            "with_most": f"{speedups[most].value:.2f}",
            "best": best,
            "with_best": f"{speedups[best].value:.2f}",
            "by_workers": ", ".join(f"{w} worker{'s' * (w != 1)} {q.value:.2f}" for w, q in speedups.items()),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        speedups = [q for workers, q in zip(result.data["workers"], result.data["speedup"]) if workers]
        best = max(speedups, key=lambda q: q.value)
        if all(differs(q) < 0 for q in speedups):
            found = "each-slower"
        elif all(differs(q) <= 0 for q in speedups):
            found = "no-gain"
        else:
            found = "fewer-are-best" if differs(speedups[-1].ratio(best)) < 0 else "most-is-best"
        return [found, self.verdict(prediction, result)]
