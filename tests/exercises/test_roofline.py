"""The numbers in the chapter's solutions, computed."""

import importlib.util
from pathlib import Path

import pytest
from pages import solution

from lessons.datasheets import accelerator, model
from lessons.formulas import roofline
from lessons.formulas.memory import write_allocate_factor
from lessons.units import format_value

SLUG = "roofline"
CARD = accelerator("h100_sxm")
TRACE = {
    "prefill": (224, 4.4e12, 14.0e9, 6.0e-3),
    "decode": (224, 14.0e9, 14.0e9, 4.9e-3),
    "norms": (260, 0.1e9, 0.2e9, 1.2e-3),
    "KV copy": (1, 0, 6.7e6, 40e-6),
}


def says(label, *values):
    return all(value in solution(SLUG, label) for value in values)


def test_a_service_on_one_card():
    weights = model("llama-3-70b").parameters
    ridge = roofline.ridge(CARD.bf16, CARD.bandwidth)
    assert says(
        "ex-roofline-estimate", format_value(weights, "B"), format_value(weights / CARD.bandwidth, "s")
    )
    assert says("ex-roofline-estimate", f"{ridge:.0f} FLOP/byte", f"{ridge / 2:.0f} users")


def test_the_trace_is_read_as_the_exercise_that_is_built_reads_it():
    source = Path(__file__).parent / "solutions" / SLUG / "diagnose.py"
    spec = importlib.util.spec_from_file_location("diagnose", source)
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    lines = [built.Line(name, *numbers) for name, numbers in TRACE.items()]
    found = {f.name: f for f in built.diagnose(lines, CARD.bf16, CARD.bandwidth, 4e-6)}
    regimes = [found[name].regime for name in TRACE]
    assert regimes == ["arithmetic", "bandwidth", "overhead", "neither"]
    assert says("ex-roofline-trace", *(f"{100 * found[name].share:.0f} %" for name in list(TRACE)[:3]))
    assert max(found.values(), key=lambda f: f.lost).name == "prefill"
    assert says("ex-roofline-trace", *(f"{1e3 * found[name].lost:.2f} ms" for name in list(TRACE)[:3]))
    norms = TRACE["norms"]
    assert says("ex-roofline-trace", format_value(norms[0] * 4e-6, "s"))
    assert says("ex-roofline-trace", f"up to {1e3 * (norms[3] - norms[2] / CARD.bandwidth):.1f} ms")


def test_a_share_of_the_sparse_rate():
    share = 0.35 * CARD.bf16_sparse / CARD.bf16
    reached = 794.5e12 / CARD.bf16
    assert says("ex-roofline-mfu", f"{100 * share:.0f} %", f"{100 * reached:.0f} %", f"{reached / share:.2f}")


@pytest.mark.parametrize(("itemsize", "said"), [(4, "from 0.5"), (2, "to 1 FLOP/byte")])
def test_one_row_of_each_format(itemsize, said):
    assert roofline.gemv(65536, 2048, itemsize).intensity == pytest.approx(float(said.split()[1]), rel=0.01)
    assert says("ex-roofline-bf16", said)


def test_stores_that_pass_the_cache():
    assert says("ex-roofline-nt", f"a factor of {write_allocate_factor(1, 1):g}")


def test_a_wrong_value_is_not_there():
    assert not says("ex-roofline-trace", "47 %") and not says("ex-roofline-estimate", "12.2 ms")
