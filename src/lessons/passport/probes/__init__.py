"""The probes, in the order in which they measure."""

from lessons.passport.probe import Probe
from lessons.passport.probes import (
    bandwidth,
    costs,
    cuda_bandwidth,
    cuda_flops,
    cuda_latency,
    cuda_launch,
    cuda_matmul,
    cuda_transfer,
    disk,
    flops,
    gather,
    held,
    latency,
    matmul,
    page_cache,
    product,
)

# Torch's threads go on spinning for a while after each call, so what uses them comes last.
PROBES: tuple[Probe, ...] = (
    bandwidth.PROBE,
    latency.PROBE,
    held.PROBE,
    gather.PROBE,
    flops.PROBE,
    product.PROBE,
    costs.PROBE,
    disk.PROBE,
    page_cache.PROBE,
    matmul.PROBE,
    cuda_bandwidth.PROBE,
    cuda_latency.PROBE,
    cuda_flops.PROBE,
    cuda_matmul.PROBE,
    cuda_transfer.PROBE,
    cuda_launch.PROBE,
)
