"""The chapter on the KV cache."""

from lessons.experiments.kv_cache.bytes_per_token import BytesPerToken
from lessons.experiments.kv_cache.generation import Generation
from lessons.experiments.kv_cache.hit_rate import HitRate
from lessons.experiments.kv_cache.indirection import Indirection, PagedOnDevice
from lessons.experiments.kv_cache.sharing import Sharing
from lessons.experiments.kv_cache.waste import Waste

bytes_per_token = BytesPerToken()
generation = Generation()
waste = Waste()
indirection = Indirection()
sharing = Sharing()
hit_rate = HitRate()
cuda = PagedOnDevice()

EXPERIMENTS = [bytes_per_token, generation, waste, indirection, sharing, hit_rate, cuda]
