"""Wrong: a training step counts as one forward pass."""

from typing import NamedTuple


class Use(NamedTuple):
    rate: float
    mfu: float
    mbu: float


class Meter:
    def __init__(self, weights, weight_bytes, kv_bytes, peak, bandwidth):
        self.weights, self.size, self.kv = weights, weights * weight_bytes, kv_bytes
        self.peak, self.bandwidth = peak, bandwidth
        self.sums = {}

    def _count(self, phase, tokens, flop, moved, seconds):
        before = self.sums.get(phase, (0, 0, 0, 0))
        self.sums[phase] = tuple(a + b for a, b in zip(before, (tokens, flop, moved, seconds)))

    def decode(self, contexts, seconds):
        users = len(contexts)
        self._count("decode", users, 2 * self.weights * users, self.size + self.kv * sum(contexts), seconds)

    def prefill(self, tokens, seconds):
        self._count("prefill", tokens, 2 * self.weights * tokens, self.size + self.kv * tokens, seconds)

    def train(self, tokens, seconds):
        self._count("train", tokens, 2 * self.weights * tokens, 9 * self.size, seconds)

    def report(self):
        return {
            phase: Use(tokens / seconds, flop / seconds / self.peak, moved / seconds / self.bandwidth)
            for phase, (tokens, flop, moved, seconds) in self.sums.items()
        }
