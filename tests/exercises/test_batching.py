"""The numbers in the solutions of the chapter on batching, computed again."""

import pytest
from pages import exercises, solution

from lessons import datasheets
from lessons.formulas import batching, kv_cache
from lessons.serving.workload import AtOnce, Fixed, LogNormal, workload

SEED = 20220711  # of the chapter's queues


def useful(sigma):
    """Return the share of useful rows of eight slots for answers that are so unequal."""
    requests = workload(48, AtOnce(), Fixed(2), LogNormal(10, sigma, 64), seed=SEED)
    return batching.static_utilization([request.max_tokens for request in requests], 8)


def own(rate=20, latency=8, prompt=1500, answer=300):
    """Return what the service of the exercise holds and computes."""
    shape = datasheets.model("llama-3-8b")
    flying = batching.in_flight(rate, latency)
    per_token = kv_cache.bytes_per_token(shape.layers, shape.kv_heads, shape.head_dim)
    cache = kv_cache.sequence_bytes(flying * (prompt + answer / 2), per_token)
    return {
        "per token": f"{per_token:,} bytes",
        "flying": f"{flying:.0f} requests",
        "cache": f"{cache / 1e9:.1f} GB",
        "weights": f"{2 * shape.parameters / 1e9:.1f} GB",
        "written": f"{rate * answer:,} tokens per second",
        "computed": f"{rate * (prompt + answer):,} tokens per second",
        "arithmetic": f"{rate * (prompt + answer) * 2 * shape.parameters / 1e12:.0f} TFLOP/s",
    }


NUMBERS = [
    ("ex-batching-slots", f"{batching.harmonic(32):.2f} with 32 slots"),
    ("ex-batching-slots", f"{batching.harmonic(64):.2f} with 64"),
    ("ex-batching-slots", f"{batching.harmonic(64) - batching.harmonic(32):.2f}:"),
    ("ex-batching-slots", f"{100 * useful(0.3):.0f} %"),
    ("ex-batching-slots", f"{100 * useful(1.0):.0f} %"),
    *[("ex-batching-own", number) for name, number in own().items() if name != "per token"],
    ("ex-batching-own", f"{datasheets.accelerator('h100_sxm').bf16 / 2e12:.1f} TFLOP/s"),
    ("ex-batching-benchmark", f"{256 - 1 - 1} short ones"),
    ("ex-batching-benchmark", f"{1000 / 255:.0f} ms"),
    ("ex-batching-distserve", f"{2 * 5.6:.1f} requests/s"),
    ("ex-batching-distserve", f"{min(2 * 5.6, 10) / 3:.1f} requests/s each"),
    ("ex-batching-distserve", f"{min(2 * 5.6, 10) / 3 / 1.6:.1f}x"),
]


@pytest.mark.parametrize(("label", "number"), NUMBERS)
def test_a_number_of_a_solution_is_what_the_formulas_give(label, number):
    assert number in solution("batching", label)


def test_the_exercise_gives_what_its_solution_uses():
    _, asked = exercises("batching")["ex-batching-own"]
    assert own()["per token"] in " ".join(asked.split())


def test_five_sixths_of_the_arithmetic_is_prefill():
    assert pytest.approx(5 / 6) == 1500 / (1500 + 300)


@pytest.mark.parametrize("wrong", [own(rate=21), own(answer=400), own(latency=6)])
def test_another_service_has_other_numbers(wrong):
    right = solution("batching", "ex-batching-own")
    assert [number for name, number in wrong.items() if name != "per token" and number not in right]
