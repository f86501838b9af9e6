"""The chapter on CPU memory: what a loop's speed depends on, and how data comes to it."""

from lessons.experiments.cpu_memory.bandwidth import BandwidthStaircase
from lessons.experiments.cpu_memory.independent import Independent
from lessons.experiments.cpu_memory.latency import LatencyStaircase
from lessons.experiments.cpu_memory.loader import DataLoaderWorkers
from lessons.experiments.cpu_memory.numa import Numa
from lessons.experiments.cpu_memory.pinned import PinnedTransfer
from lessons.experiments.cpu_memory.weights import LoadWeights
from lessons.experiments.cpu_memory.write_allocate import WriteAllocate

bandwidth = BandwidthStaircase()
latency = LatencyStaircase()
write_allocate = WriteAllocate()
independent = Independent()
numa = Numa()
loader = DataLoaderWorkers()
weights = LoadWeights()
pinned = PinnedTransfer()

EXPERIMENTS = [bandwidth, latency, write_allocate, independent, numa, loader, weights, pinned]
