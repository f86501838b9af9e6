import pytest

from lessons.allocators.mix import request_mix
from lessons.allocators.reservation import SLOTS, page
from lessons.experiments import kv_cache as x
from lessons.experiments.base import Outcome
from lessons.experiments.kv_cache.hit_rate import BLOCK, SEED, Traffic, simulate
from lessons.experiments.kv_cache.memory_now import rate_now
from lessons.experiments.kv_cache.waste import PUBLISHED
from lessons.formulas import kv_cache
from lessons.passport import Passport
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.l3.1": Quantity(50e9, "B/s"),
    "cpu.bandwidth.read.dram.1": Quantity(20e9, "B/s"),
    "cpu.flops.int8.1": Quantity(900e9, "OP/s"),
    "cpu.product.packed.int8": Quantity(100e9, "OP/s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)


def test_three_counts_of_a_token_agree():
    prediction, result = x.bytes_per_token.predict(PASSPORT), x.bytes_per_token.run()
    assert prediction.quantity.value == result.quantity.value == result.data["walked"] == 46080


def test_generation_predicts_two_rising_lines():
    data = x.generation.predict(PASSPORT).data
    assert data["uncached"] == sorted(data["uncached"])
    # 134.5 million weights of 5 and 8.5 bits, 96.4 MB, and 46,080 bytes for each of 32 to 256 tokens, at 20 GB/s.
    read = [96.44e6 + n * 46080 for n in (32, 64, 128, 256)]
    assert data["cached"] == pytest.approx([size / 20e9 for size in read], rel=1e-4)
    assert data["bytes"] == pytest.approx(read[-1], rel=1e-4)


def test_without_a_cache_all_tokens_are_computed_and_with_one_the_weights_are_read():
    prediction = x.generation.predict(PASSPORT)
    # 106.2 million weights in the layers for each of 256 tokens, 28.3 million in the head for the last: 2 OP each.
    computed, read = 2 * (106.2e6 * 256 + 28.3e6) / 100e9, (96.44e6 + 256 * 46080) / 20e9
    assert [q.value for q in prediction.ends.values()] == pytest.approx([computed, read], rel=0.01)
    assert prediction.quantity.value == pytest.approx(computed / read, rel=0.01)


def test_where_products_are_slow_a_step_with_a_cache_waits_for_arithmetic_too():
    peaks = PEAKS | {"cpu.product.packed.int8": Quantity(5e9, "OP/s")}
    passport = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, peaks)
    prediction = x.generation.predict(passport)
    one = 2 * 134.5e6  # operations of a token
    assert prediction.ends["with a cache"].value == pytest.approx(one / 5e9, rel=0.01)
    assert prediction.data["cached"] == pytest.approx([one / 5e9] * 4, rel=0.01)
    # Its bytes are read in a tenth of that, so a step that beats the arithmetic alone has not beaten its bytes.
    fast = generated(0.5, 1.0, passport=passport)
    assert "cached-faster" not in x.generation.findings(prediction, fast)


def test_predicted_times_carry_the_intervals_of_their_peaks():
    peaks = PEAKS | {
        "cpu.bandwidth.read.dram.1": Quantity(20e9, "B/s", 16e9, 25e9, 7),
        "cpu.product.packed.int8": Quantity(100e9, "OP/s", 50e9, 200e9, 15),
    }
    passport = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, peaks)
    uncached, cached = x.generation.predict(passport).ends.values()
    assert (cached.low / cached.value, cached.high / cached.value) == pytest.approx((20 / 25, 20 / 16))
    assert (uncached.low / uncached.value, uncached.high / uncached.value) == pytest.approx((0.5, 2))
    shared = x.sharing.predict(passport).ends["with sharing"]
    assert (shared.low / shared.value, shared.high / shared.value) == pytest.approx((0.5, 2))


def test_the_rate_of_memory_is_that_of_its_bytes():
    now = rate_now(1 << 22)
    assert now.unit == "B/s" and 0 < now.low <= now.value <= now.high and now.n == 7


def test_a_block_table_adds_its_own_few_bytes():
    here, there = x.indirection.predict(PASSPORT), x.cuda.predict(PASSPORT)
    # 30 layers read 64 numbers of 4 bytes beside 1,024 tokens of 46,080 bytes.
    assert here.quantity.value == pytest.approx(1 + 30 * 64 * 4 / (1024 * 46080), rel=1e-9)
    assert here.ends["contiguous"].value == pytest.approx(1024 * 46080 / 20e9)
    # One layer: 512 numbers beside 8,192 tokens of 8 heads, 128 channels, key and value.
    assert there.quantity.value == pytest.approx(1 + 512 * 4 / (8192 * 2 * 8 * 128 * 4), rel=1e-9)
    assert there.ends["contiguous"].value == pytest.approx(67_108_864 / 3e12)


def test_waste_is_near_its_closed_form_and_the_published_shares():
    prediction, result = x.waste.predict(PASSPORT), x.waste.run()
    assert result.data["waste"] == pytest.approx(prediction.data["waste"], rel=0.1)
    # Of a block of 16, 7.5 stand empty on average beside the tokens of the sequence.
    live = prediction.data["live"]
    assert prediction.quantity.value == pytest.approx(live / (live + 7.5))
    for policy, published in PUBLISHED.items():
        assert abs(result.data["usage"][policy]["used"] - published) < 0.06
    paged = result.data["usage"]["paged"]
    assert 0 < paged["preempted"] < paged["recomputed"]
    table = x.waste.facts(prediction, result)["table"]
    assert table.count("\n| ") == 5 and "20.4 %" in table
    # 446 tokens of a running request under paging, and 475 with the exact reservation: by hand from the shares.
    facts = x.waste.facts(prediction, result)
    usage = result.data["usage"]
    lengths = [usage[name]["used"] * 16_384 / usage[name]["batch"] for name in ("paged", "oracle")]
    assert [float(facts[f"live_{name}"]) for name in ("paged", "oracle")] == pytest.approx(lengths, abs=0.5)
    assert lengths[0] < lengths[1] < live and "shorter-inside" in x.waste.findings(prediction, result)


def test_shorter_requests_are_the_edge_of_the_count():
    """With more requests the edges of the count weigh less: what runs is as long as it is over its whole life."""
    far = []
    for count in (200, 1000):
        mix = request_mix(count)
        live = sum(o * p + o * (o - 1) / 2 for p, o in mix) / sum(o for _, o in mix)
        usage = page(mix)
        far.append(abs(usage.used * SLOTS / usage.batch / live - 1))
    assert far[1] < far[0] / 2 and far[1] < 0.03


def test_sharing_computes_the_page_once():
    prediction, result = x.sharing.predict(PASSPORT), x.sharing.run()
    assert result.data["computed"] == prediction.data["computed"] < prediction.data["all"] / 2
    tokens = (prediction.data["all"], prediction.data["computed"])
    assert prediction.quantity.value == pytest.approx(tokens[0] / tokens[1])
    # 106.2 million weights in the layers, 2 OP each, at 100 GOP/s.
    seconds = [2 * 106.2e6 * n / 100e9 for n in tokens]
    assert [q.value for q in prediction.ends.values()] == pytest.approx(seconds, rel=1e-3)
    assert result.ends.keys() == prediction.ends.keys()
    assert result.data["error"] < 2e-3
    assert result.data["forked"] == 0
    assert result.data["written"] < result.data["whole"] / 4


def independent_hits(traffic, share, requests):
    """Count what LRU finds with nothing but lists: each block is known by the tokens up to its end."""
    import random

    size, draw, recent = BLOCK, random.Random(SEED), []
    room = round((traffic.shared + share * traffic.held) / size)
    turn, shared = traffic.user + traffic.answer, [("i", n) for n in range(traffic.shared)]
    talks = [
        shared + [(i, 0, n) for n in range(turn * (i % traffic.turns))] for i in range(traffic.conversations)
    ]
    hits = sent = 0
    for i in range(requests):
        who = draw.randrange(traffic.conversations)
        if len(talks[who]) >= traffic.longest:
            talks[who] = list(shared)
        prompt = talks[who] + [("u", i, n) for n in range(traffic.user)]
        known = 0
        while known + size <= len(prompt) - 1 and tuple(prompt[: known + size]) in recent:
            known += size
        talks[who] = prompt + [("a", i, n) for n in range(traffic.answer)]
        names = [tuple(talks[who][: end + size]) for end in range(0, len(talks[who]), size)]
        recent = [name for name in recent if name not in names]
        recent = recent[max(0, len(recent) + len(names) - room) :] + names
        if 4 * i >= requests:
            hits, sent = hits + known, sent + len(prompt)
    return hits / sent


@pytest.mark.parametrize("share", [0.5, 0.75, 1.5])
def test_the_pool_finds_what_a_list_of_the_latest_blocks_finds(share):
    traffic = Traffic(conversations=4, turns=3, shared=32, user=16, answer=32)
    assert simulate(traffic, share, 40) == pytest.approx(independent_hits(traffic, share, 40))


def test_the_hit_rate_is_near_its_closed_form():
    prediction, result = x.hit_rate.predict(PASSPORT), x.hit_rate.run()
    t = x.hit_rate.traffic
    sent = kv_cache.conversation(t.turns, t.shared, t.user, t.answer)
    assert prediction.quantity.value == pytest.approx((sent.shared + sent.earlier / 2) / sent.sent)
    assert result.quantity.value == pytest.approx(prediction.quantity.value, rel=0.15)
    assert result.data["rates"] == sorted(result.data["rates"])
    assert result.data["rates"][-1] < prediction.data["never"]


def test_a_gain_in_requests_is_paid_for_by_longer_steps_and_repeated_tokens():
    """Usage by hand: 100 tokens per step, and 20,064 tokens twice; an A100 computes 200.64 in a reading."""
    result = simulated(paged=100.0, preempted=1, again=20_064)
    result.data["written"] = 10_000
    result.data["usage"]["paged"]["used"], result.data["usage"]["oracle"]["used"] = 1.0, 0.4
    facts = x.waste.facts(x.waste.predict(PASSPORT), result)
    assert (facts["ridge"], facts["steps"], facts["lost_steps"]) == ("201", "100", "100")
    # OPT-13B: 12.85 billion weights, 40 layers of 40 heads with 128 channels, in 16 bits; 16,384 tokens fill the cache.
    weights, cache = 25.7, 16_384 * 2 * 40 * 40 * 128 * 2 / 1e9
    assert (facts["weights"], facts["step_paged"]) == (f"{weights} GB", f"{weights + cache:.1f} GB")
    exact = weights + 0.4 * cache
    assert facts["at_once"] == "50.0"
    assert float(facts["reading_gain"]) == pytest.approx(50 * exact / (weights + cache), abs=0.1)
    assert float(facts["kept"]) == pytest.approx(50 * exact / (2 * weights + cache), abs=0.1)


def test_where_arithmetic_outlasts_the_reading_more_requests_gain_less():
    """Llama-3-8B: 8.03 billion weights, 465,000 tokens of 131 kB, and the arithmetic of 295 tokens in a reading."""
    result = simulated(paged=36.0)
    result.data["usage"]["paged"]["used"], result.data["usage"]["oracle"]["used"] = 1.0, 0.4
    facts = x.waste.facts(x.waste.predict(PASSPORT), result)
    paged, exact = 36 * 465_000 / 16_384, 2 * 465_000 / 16_384
    assert float(facts["large_batch"].replace(",", "")) == pytest.approx(paged, rel=0.01)
    seconds = (16.06 * paged / 295.34 + 60.9, 16.06 * max(1, exact / 295.34) + 0.4 * 60.9)
    assert float(facts["large_gain"]) == pytest.approx(18 * seconds[1] / seconds[0], rel=0.02)


def spread(value, unit="1", by=0.03):
    """A measured quantity that is known to 3 %."""
    return Quantity(value, unit, (1 - by) * value, (1 + by) * value, 9)


def counted(walked, stored=46080):
    return Outcome(Quantity(stored, "B"), {"walked": walked})


def generated(cached, uncached, now=1.0, by=0.03, passport=PASSPORT, **more):
    """A result of ``generation`` in multiples of the predicted times, and of the passport's bandwidth."""
    foretold = x.generation.predict(passport).data
    series = {
        name: [spread(factor * seconds, "s") for seconds in foretold[name]]
        for name, factor in (("cached", cached), ("uncached", uncached))
    }
    ratio = series["uncached"][-1].ratio(series["cached"][-1])
    ends = {"without a cache": series["uncached"][-1], "with a cache": series["cached"][-1]}
    now = spread(now * 20e9, "B/s", by)
    return Outcome(ratio, {"lengths": foretold["lengths"], **series, "now": now, **more}, ends=ends)


def simulated(waste=1.0, paged=5.0, preempted=3, used=0.9, again=90, held=1.0):
    """A result of ``waste`` whose blocks stand empty in multiples of what is predicted; 2 run at once elsewhere.

    A running request holds as much under paging as elsewhere, or ``held`` times as much.
    """
    shares = {"used": 0.24, "reserved": 0.1, "internal": 0.1, "rounding": 0.1, "free": 0.1}
    usage = {policy: {**shares, "batch": 2.0, "preempted": 0, "recomputed": 0} for policy in PUBLISHED}
    usage["paged"] |= {
        "used": 0.24 * held * paged / 2,
        "batch": paged,
        "preempted": preempted,
        "recomputed": again * preempted,
    }
    empty = [waste * share for share in x.waste.predict(PASSPORT).data["waste"]]
    data = {"usage": usage, "waste": empty, "requests": 10, "tokens": 3000, "written": 2000}
    return Outcome(Quantity(used, "%"), data)


def both(experiment, gain, upper=1.0):
    """Return what a ratio with this gain divides, its upper end in multiples of what is predicted."""
    foretold = experiment.predict(PASSPORT).ends
    first, second = foretold
    above = upper * foretold[first].value
    return {first: spread(above, "s"), second: spread(above / gain, "s")}


def indirect(alone, adjacent, placed, contiguous=1.0, by=0.03, now=1.0):
    """A result of ``indirection``; its contiguous time in multiples of the predicted one."""
    data = {
        "runs": [1, 64], "ratios": [spread(alone), spread(adjacent)], "mean_run": 20.0, "full": spread(1.5),
        "full_run": 2.0, "error": 1e-7, "seconds": spread(1e-3, "s"),
        "now": spread(now * 20e9, "B/s"),
    }  # fmt: skip
    return Outcome(spread(placed, by=by), data, ends=both(x.indirection, placed, placed * contiguous))


def shared(gain, error=0.0, upper=1.0):
    """A result of ``sharing`` in multiples of the tokens that are saved."""
    data = {"computed": 300, "blocks": {"alone": 60, "shared": 20}, "error": error}
    data |= {"forked": 0, "written": 4, "whole": 64}
    gain *= x.sharing.predict(PASSPORT).quantity.value
    return Outcome(spread(gain), data, ends=both(x.sharing, gain, upper))


def on_device(ratio, upper=1.0):
    data = {"seconds": spread(1e-3, "s"), "error": 0.0}
    return Outcome(spread(ratio), data, ends=both(x.cuda, ratio, upper))


def share_found(half, most, room=0.94):
    """A result of ``hit_rate`` with these shares of prompt tokens found."""
    rates = [{1.0: room, 1.5: most}.get(share, half) for share in x.hit_rate.shares]
    return Outcome(Quantity(half, "%"), {"rates": rates})


WHERE = ("table", "alone", "placed")
SURVIVES = ("preempts", "gain-survives")
BEATEN = ("cached-faster", "still-faster")
EXAMPLES = [
    (x.bytes_per_token, PASSPORT, counted(46080), ["equal", "matrices-agree"]),
    (x.bytes_per_token, PASSPORT, counted(46084), ["equal", "matrices-disagree"]),
    (x.bytes_per_token, PASSPORT, counted(46084, 46084), ["unequal", "matrices-agree"]),
    (x.generation, PASSPORT, generated(1.1, 1.1), ["as-foreseen"]),
    (
        x.generation,
        PASSPORT,
        generated(1.0, 0.3, expands=True),
        ["less-than-foreseen", "uncached-expands"],
    ),
    (x.generation, PASSPORT, generated(2.0, 1.8), ["errors-cancel", "cached-slower", "uncached-slower"]),
    (x.generation, PASSPORT, generated(0.6, 0.6), ["errors-cancel", *BEATEN, "uncached-faster"]),
    (
        x.generation,
        PASSPORT,
        generated(0.6, 1.0, now=2.0),
        ["more-than-foreseen", "cached-faster", "passport-low"],
    ),
    (x.generation, PASSPORT, generated(0.6, 1.0, now=2.0, by=0.6), ["more-than-foreseen", "cached-faster"]),
    (x.generation, PASSPORT, generated(0.9, 0.9), ["as-foreseen", *BEATEN]),
    (x.generation, PASSPORT, generated(1.35, 1.15), ["errors-cancel", "cached-slower"]),
    (x.generation, PASSPORT, generated(1.25, 1.15), ["cant-tell"]),
    (x.generation, PASSPORT, generated(2.0, 1.0), ["less-than-foreseen", "cached-slower"]),
    (x.generation, PASSPORT, generated(1.0, 2.0), ["more-than-foreseen", "uncached-slower"]),
    (x.generation, PASSPORT, generated(2.0, 2.5), ["cant-tell", "cached-slower", "uncached-slower"]),
    *[
        (x.waste, PASSPORT, simulated(**how), findings)
        for how, findings in (
            ({}, ["more-at-once", "as-foreseen", "lost-as-foreseen", *SURVIVES]),
            ({"paged": 2.0}, ["no-more-at-once", "as-foreseen", "lost-as-foreseen", "preempts"]),
            ({"waste": 1.5}, ["more-at-once", "as-foreseen", "more-lost", *SURVIVES]),
            ({"waste": 0.5, "preempted": 0}, ["more-at-once", "as-foreseen", "less-lost"]),
            ({"used": 0.6}, ["more-at-once", "less-than-foreseen", "lost-as-foreseen", *SURVIVES]),
            ({"held": 0.9}, ["more-at-once", "shorter-inside", "as-foreseen", "lost-as-foreseen", *SURVIVES]),
            # 2,000 tokens take 400 steps of 5. A step reads 25.7 GB of weights and 8.05 GB of cache, and 3.2 GB with
            # the exact reservation: five halves of the requests gain 2.14. Longer by 1.5 readings, they gain nothing:
            # these are 600 readings in all, and an A100 computes 201 tokens in each.
            ({"again": 41_000}, ["more-at-once", "as-foreseen", "lost-as-foreseen", "preempts", "gain-lost"]),
            ({"again": 39_000}, ["more-at-once", "as-foreseen", "lost-as-foreseen", *SURVIVES]),
        )
    ],
    *[
        (x.indirection, PASSPORT, result, [f"{where}-{what}" for where, what in zip(WHERE, costs)] + verdict)
        for result, costs, verdict in (
            (indirect(2.0, 1.0, 1.0), ("free", "costs", "free"), ["as-foreseen"]),
            (indirect(2.0, 1.0, 1.1), ("free", "costs", "costs"), ["as-foreseen"]),
            (indirect(1.2, 1.2, 1.2), ("costs", "free", "costs"), ["as-foreseen"]),
            (indirect(0.9, 0.9, 0.9), ("faster", "free", "faster"), ["as-foreseen"]),
            (indirect(0.8, 1.0, 1.0), ("free", "faster", "free"), ["as-foreseen"]),
            (
                indirect(2.0, 1.0, 1.0, contiguous=0.9),
                ("free", "costs", "free"),
                ["as-foreseen", "memory-beaten", "still-faster"],
            ),
            (
                indirect(2.0, 1.0, 1.0, contiguous=0.9, now=1.3),
                ("free", "costs", "free"),
                ["as-foreseen", "memory-beaten", "passport-low"],
            ),
            (indirect(2.0, 1.0, 1.0, contiguous=1.6), ("free", "costs", "free"), ["errors-cancel"]),
            (indirect(2.0, 1.0, 1.5), ("free", "costs", "costs"), ["more-than-foreseen"]),
            (indirect(2.0, 1.0, 0.7), ("free", "costs", "faster"), ["less-than-foreseen"]),
            (indirect(2.0, 1.0, 1.0, by=0.4), ("free", "costs", "free"), ["cant-tell"]),
        )
    ],
    (x.sharing, PASSPORT, shared(1.0), ["same-bits", "as-foreseen"]),
    (x.sharing, PASSPORT, shared(0.5, error=1e-4), ["close", "less-than-foreseen"]),
    (x.sharing, PASSPORT, shared(1.5), ["same-bits", "more-than-foreseen"]),
    (x.sharing, PASSPORT, shared(0.8), ["same-bits", "cant-tell"]),
    (x.sharing, PASSPORT, shared(1.0, upper=1.5), ["same-bits", "errors-cancel"]),
    (x.hit_rate, PASSPORT, share_found(0.6, 0.96, room=0.95), ["as-foreseen", "eviction-costs"]),
    (x.hit_rate, PASSPORT, share_found(0.4, 0.4), ["less-than-foreseen", "eviction-free", "ended-stay"]),
    (x.hit_rate, PASSPORT, share_found(0.8, 0.85), ["more-than-foreseen", "eviction-costs", "ended-stay"]),
    (x.cuda, PASSPORT, on_device(1.01), ["as-fast", "as-foreseen"]),
    (x.cuda, PASSPORT, on_device(1.25), ["slower", "cant-tell"]),
    (x.cuda, PASSPORT, on_device(1.5), ["slower", "more-than-foreseen"]),
    (x.cuda, PASSPORT, on_device(0.9), ["faster", "as-foreseen"]),
    (x.cuda, PASSPORT, on_device(0.7), ["faster", "less-than-foreseen"]),
    (x.cuda, PASSPORT, on_device(1.01, upper=2.0), ["as-fast", "errors-cancel"]),
]
