"""32 requests at once: our engine with continuous batching, against transformers' ``generate_batch``.

Prompts of mixed lengths, 12 tokens for each. transformers runs the same weights in float32 with paged attention
(``sdpa_paged``). Ours is as ``lessons serve`` starts it: packed weights, int8 activations; ``ratio_float32`` is
ours with float32 arithmetic. Neither shares prefixes.
"""

from __future__ import annotations

import logging

import common
import hf
import numba
import torch

from lessons.llm.load import LLM, load
from lessons.measure import compare, time
from lessons.serving.engine import Engine, run
from lessons.serving.policies import ChunkedPrefill
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler
from lessons.serving.workload import AtOnce, Fixed, Uniform, workload

THREADS = 1
REQUESTS, SLOTS, ANSWER = 32, 16, 12
PROMPTS = Uniform(4, 60)
BLOCKS = 512
SEED = 20230912  # the day on which the paper on paged attention was published


def requests(vocab: int) -> list[Request]:
    return list(workload(REQUESTS, AtOnce(), PROMPTS, Fixed(ANSWER), seed=SEED, vocab=vocab))


def service(llm: LLM):
    """Return a function that serves all requests with our engine and returns the tokens written."""
    engine = Engine(llm, BLOCKS, share_prefixes=False, stop=False)

    def serve() -> int:
        scheduler = Scheduler(ChunkedPrefill(SLOTS), engine.blocks)
        return sum(len(r.output_ids) for r in run(requests(llm.config.vocab), scheduler, engine))

    return serve


def peer(llm: LLM):
    """Return a function that does the same with transformers."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    logging.getLogger("transformers").setLevel(logging.ERROR)
    model = hf.llama(llm, attn_implementation="sdpa")
    prompts = [list(r.prompt_ids) for r in requests(llm.config.vocab)]
    generation = GenerationConfig(max_new_tokens=ANSWER, do_sample=False, eos_token_id=-1, pad_token_id=0)
    batching = ContinuousBatchingConfig(allow_block_sharing=False)

    @torch.inference_mode()
    def serve() -> int:
        answers = model.generate_batch(
            prompts, generation_config=generation, continuous_batching_config=batching
        )
        return sum(len(answer.generated_tokens) for answer in answers.values())

    return serve


def measure_once() -> common.Record:
    """Compare serving everything, in turns, in one process."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    theirs = peer(load("float32"))
    ours, exact = (service(load("packed", activations=a)) for a in ("int8", "float32"))
    if {ours(), exact(), theirs()} != {REQUESTS * ANSWER}:
        raise SystemExit("a side did not write all tokens, so their speeds cannot be compared")
    comparison = compare(ours, theirs, rounds=6, warmup=0)
    slower = time(exact, samples=5).median().value / comparison.ours.value
    return common.record(
        comparison, REQUESTS * ANSWER, "tokens/s", THREADS, ratio_float32=comparison.ratio.value / slower
    )


if __name__ == "__main__":
    common.main(measure_once, bar=4.0)
