"""Block tables in runs of a wanted length, and as a pool that was used for long gives them."""

from lessons.llm.placement import aged, in_runs, mean_run


def test_runs_have_the_length_asked_for():
    for run in (1, 4, 16, 64):
        table = in_runs(run, 64, 256)
        assert mean_run(table) == run and len(set(table)) == 64 and max(table) < 256


def test_a_used_pool_still_gives_long_runs():
    tables = [aged(1024, 512, seed=seed) for seed in range(6)]
    assert all(len(set(table)) == 64 for table in tables)
    assert sum(map(mean_run, tables)) / 6 > 12
    assert mean_run(aged(1024, 512, load=1.0)) < 12
