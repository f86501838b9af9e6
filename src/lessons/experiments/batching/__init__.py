"""The experiments of the chapter on batching."""

from lessons.experiments.batching.chunks import Chunks
from lessons.experiments.batching.disaggregation import Disaggregation
from lessons.experiments.batching.load import Load
from lessons.experiments.batching.rate import Rate, RateOnDevice
from lessons.experiments.batching.slots import Slots
from lessons.experiments.batching.timeline import Timeline

rate = Rate()
slots = Slots()
timeline = Timeline()
chunks = Chunks()
load = Load()
disaggregation = Disaggregation()
cuda = RateOnDevice()

EXPERIMENTS = [rate, slots, timeline, chunks, load, disaggregation, cuda]
