"""What the server says of itself at ``/metrics``: vLLM's names, ours (which are the same after the prefix), or none."""

from __future__ import annotations

import math
from collections import defaultdict

import httpx
from prometheus_client.parser import text_string_to_metric_families

from lessons.serving.loadtest.connection import Unreachable, ask

PREFIXES = ("vllm:", "lessons:")
COUNTERS = {
    "prompt tokens": "prompt_tokens_total",
    "generated tokens": "generation_tokens_total",
    "preemptions": "num_preemptions_total",
}
# Histograms, of which the mean is shown; an older name of vLLM's stands behind the newer one.
MEANS = {
    "TTFT": ("time_to_first_token_seconds",),
    "TPOT": ("request_time_per_output_token_seconds",),
    "ITL": ("inter_token_latency_seconds", "time_per_output_token_seconds"),
}
GAUGES = {"KV cache in use": ("kv_cache_usage_perc", "gpu_cache_usage_perc")}
# How the pool is cut stands in the labels of one sample.
CONFIG = "cache_config_info"
BLOCK_SIZE, BLOCKS = "block_size", "num_gpu_blocks"

Samples = dict[str, float]


async def scrape(http: httpx.AsyncClient) -> Samples:
    """Return the server's samples by name without the prefix, summed over labels; none where it has no metrics.

    With them come ``block_size`` and ``num_gpu_blocks``, where the server tells them.
    """
    try:
        answer = await ask(http, "/metrics")
    except Unreachable:
        return {}
    return parse(answer.body.decode("utf-8", "replace")) if answer.status == 200 else {}


def parse(text: str) -> Samples:
    """Return the finite samples in Prometheus's text format; nothing where it is another format."""
    samples: Samples = defaultdict(float)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                for prefix in PREFIXES:
                    if sample.name.startswith(prefix):
                        name = sample.name.removeprefix(prefix)
                        samples[name] += float(sample.value)
                        samples.update(_cut(sample.labels) if name == CONFIG else {})
    except (ValueError, LookupError, ArithmeticError):
        return {}
    return {name: value for name, value in samples.items() if math.isfinite(value)}


def _cut(labels: dict[str, str]) -> Samples:
    told = {name: labels.get(name, "") for name in (BLOCK_SIZE, BLOCKS)}
    return {name: float(text) for name, text in told.items() if text.isdecimal() and float(text) >= 1}


def difference(before: Samples, after: Samples) -> dict[str, float]:
    """Return what happened between two scrapes: counts, mean seconds of histograms, and gauges as they are now.

    What has fallen though it counts is left out: the server was started anew.
    """
    found: dict[str, float] = {}

    def grown(name: str) -> float:
        return after.get(name, -math.inf) - before.get(name, 0.0)

    for label, name in COUNTERS.items():
        if grown(name) >= 0:
            found[label] = grown(name)
    for label, names in MEANS.items():
        for name in names:
            if grown(f"{name}_count") > 0 and grown(f"{name}_sum") >= 0 and label not in found:
                found[label] = grown(f"{name}_sum") / grown(f"{name}_count")
    for label, names in GAUGES.items():
        for name in names:
            if name in after and label not in found:
                found[label] = after[name]
    return found
