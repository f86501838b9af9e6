from itertools import groupby

from lessons.measure import in_turns, median_ratio


def test_everything_is_timed_in_turns_after_one_warm_up():
    calls = []
    seconds = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b"] * 3
    assert [len(s) for s in seconds.values()] == [2, 2]


def test_each_settles_before_its_turn_and_the_least_of_several_calls_counts():
    log = []
    runs = {"a": lambda: log.append("a"), "b": lambda: log.append("b")}
    seconds = in_turns(runs, rounds=3, settle=1e-3, least_of=2)
    stretches = [(name, len(list(run))) for name, run in groupby(log)]
    assert [name for name, _ in stretches] == list("abababab")  # the first two are the warm-up
    assert all(count > 2 for _, count in stretches[2:])
    assert {name: len(found) for name, found in seconds.items()} == {"a": 3, "b": 3}


def test_a_disturbance_of_one_round_hits_both_and_their_ratio_does_not_notice():
    ratio = median_ratio([2.0, 20.0, 6.0], [1.0, 10.0, 3.0], factor=5)
    assert ratio.low == ratio.value == ratio.high == 10
