"""What the server tells Prometheus.

A name after ``lessons:`` is vLLM's name after ``vllm:`` and means the same, so that a dashboard for one needs only
another prefix for the other. Three are our own, since vLLM tells shares and we tell the counts behind them:
``kv_blocks_total``, ``kv_blocks_used`` and ``request_errors_total``.

======================================  =========  =============================================================
after the prefix                        kind       meaning
======================================  =========  =============================================================
num_requests_running                    gauge      requests in the batch
num_requests_waiting                    gauge      requests in the queue
kv_cache_usage_perc                     gauge      used blocks over all blocks, from 0 to 1
cache_config_info                       info       labels ``block_size`` and ``num_gpu_blocks``
kv_blocks_total, kv_blocks_used         gauge      the pool; a cached block that nobody uses counts as free
num_preemptions_total                   counter    requests put back into the queue
prompt_tokens_total                     counter    prompt tokens of requests that wrote their first token
generation_tokens_total                 counter    tokens written
request_success_total                   counter    by ``finished_reason``: stop, length, abort
request_errors_total                    counter    requests that a fault of the server ended
iteration_tokens_total                  histogram  tokens computed in a step
time_to_first_token_seconds             histogram  TTFT: from arrival in the server to the first token
inter_token_latency_seconds             histogram  ITL: every gap between two tokens
request_time_per_output_token_seconds   histogram  TPOT: a request's mean gap
e2e_request_latency_seconds             histogram  from arrival to the last token
======================================  =========  =============================================================

The definitions are those of ``lessons.serving.metrics``; the server's clock starts when the request has been read, a
client's when it sends.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from lessons.serving.costs import Step
from lessons.serving.request import Request
from lessons.serving.scheduler import Batch

PREFIX = "lessons:"
SECONDS = tuple(m * 10.0**e for e in range(-3, 3) for m in (1, 2.5, 5))
TOKENS = tuple(2**e for e in range(13))


class ServerMetrics:
    """The server's metrics, in a registry of their own. The engine thread writes them, ``text`` reads them.

    Args:
        block_size: tokens in a block of the KV cache.
        num_blocks: blocks in the pool.
    """

    def __init__(self, block_size: int, num_blocks: int) -> None:
        self._registry = CollectorRegistry()
        cut = Info(PREFIX + "cache_config", "How the KV cache is cut.", registry=self._registry)
        cut.info({"block_size": str(block_size), "num_gpu_blocks": str(num_blocks)})

        def gauge(name: str, about: str) -> Gauge:
            return Gauge(PREFIX + name, about, registry=self._registry)

        def counter(name: str, about: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(PREFIX + name, about, labels, registry=self._registry)

        def histogram(name: str, about: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
            return Histogram(PREFIX + name, about, buckets=buckets, registry=self._registry)

        self._running = gauge("num_requests_running", "Requests in the batch.")
        self._waiting = gauge("num_requests_waiting", "Requests in the queue.")
        self._usage = gauge("kv_cache_usage_perc", "Used blocks over all blocks.")
        self._total = gauge("kv_blocks_total", "Blocks of KV cache in the pool.")
        self._used = gauge("kv_blocks_used", "Blocks that requests hold or were promised.")
        self._preemptions = counter("num_preemptions", "Requests put back into the queue.")
        self._prompt_tokens = counter("prompt_tokens", "Prompt tokens of requests that wrote a token.")
        self._tokens = counter("generation_tokens", "Tokens written.")
        self._success = counter("request_success", "Requests that ended.", ("finished_reason",))
        self._errors = counter("request_errors", "Requests that a fault of the server ended.")
        self._step_tokens = histogram("iteration_tokens_total", "Tokens computed in a step.", TOKENS)
        self._ttft = histogram("time_to_first_token_seconds", "From arrival to the first token.")
        self._itl = histogram("inter_token_latency_seconds", "Gaps between tokens.")
        self._tpot = histogram("request_time_per_output_token_seconds", "Mean gap of a request.")
        self._latency = histogram("e2e_request_latency_seconds", "From arrival to the last token.")

    def state(self, running: int, waiting: int, total: float, free: float) -> None:
        """Set the gauges.

        Args:
            running, waiting: requests.
            total, free: blocks.
        """
        self._running.set(running)
        self._waiting.set(waiting)
        self._total.set(total)
        self._used.set(total - free)
        self._usage.set((total - free) / total)

    def step(self, step: Step, batch: Batch) -> None:
        """Count one step that has been run."""
        self._step_tokens.observe(step.work.tokens)
        self._preemptions.inc(batch.preempted)

    def token(self, request: Request) -> None:
        """Count the token that a request has just written."""
        self._tokens.inc()
        times = request.token_times
        if len(times) == 1:
            self._prompt_tokens.inc(request.prompt_tokens)
            self._ttft.observe(times[0] - request.arrival)
        else:
            self._itl.observe(times[-1] - times[-2])

    def finished(self, request: Request, reason: str) -> None:
        """Count a request that has ended.

        Args:
            request: with the times of its tokens.
            reason: "stop" or "length"; "abort" when its client left; "error" after a fault of the server.
        """
        if reason == "error":
            self._errors.inc()
            return
        self._success.labels(reason).inc()
        times = request.token_times
        if reason == "abort" or not times:
            return
        self._latency.observe(times[-1] - request.arrival)
        if len(times) > 1:
            self._tpot.observe((times[-1] - times[0]) / (len(times) - 1))

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
