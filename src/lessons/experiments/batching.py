"""The experiments of the chapter on batching."""

from lessons.experiments.batching_chunks import Chunks
from lessons.experiments.batching_disaggregation import Disaggregation
from lessons.experiments.batching_rate import Rate, RateOnDevice
from lessons.experiments.batching_slots import Slots
from lessons.experiments.batching_timeline import Timeline

rate = Rate()
slots = Slots()
timeline = Timeline()
chunks = Chunks()
disaggregation = Disaggregation()
cuda = RateOnDevice()

EXPERIMENTS = [rate, slots, timeline, chunks, disaggregation, cuda]
