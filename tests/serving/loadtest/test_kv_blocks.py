"""Blocks predicted from the lengths of requests, beside what a server reports."""

from hypothesis import given
from hypothesis import strategies as st

from lessons.serving.loadtest.kv_blocks import KVBlocks, used_blocks
from lessons.serving.loadtest.scrape import parse
from lessons.serving.request import Request

VLLM = """\
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="200",num_cpu_blocks="None"} 1.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.125
"""


def finished(prompt_tokens: int, times: list[float]) -> Request:
    request = Request(0, 0.0, prompt_tokens, len(times))
    request.token_times = times
    return request


def test_vllm_tells_its_blocks_in_labels_and_a_share():
    assert used_blocks(parse(VLLM)) == 25
    assert used_blocks(parse(VLLM.replace("cache_config_info", "other_info"))) is None
    assert used_blocks(parse(VLLM.replace("kv_cache_usage_perc", "other"))) is None


def test_a_request_needs_blocks_while_it_runs_and_more_as_it_grows():
    blocks = KVBlocks(block_size=16)
    blocks.add(finished(15, [1.0, 2.0, 3.0, 4.0]))
    assert [blocks.predicted(t) for t in (0.5, 1.0, 2.5, 3.5, 4.0)] == [0, 1, 1, 2, 0]


@given(
    st.lists(
        st.tuples(st.integers(1, 100), st.lists(st.floats(0, 10), min_size=2, max_size=20).map(sorted)),
        max_size=5,
    ),
    st.floats(0, 10),
    st.integers(1, 32),
)
def test_predictions_add_up_and_hold_every_token(requests, moment, size):
    blocks = KVBlocks(block_size=size)
    alone = 0
    tokens = 0
    for prompt, times in requests:
        one = KVBlocks(block_size=size)
        for each in (one, blocks):
            each.add(finished(prompt, times))
        alone += one.predicted(moment)
        if times[0] <= moment < times[-1]:
            tokens += prompt + sum(t <= moment for t in times) - 1
    assert blocks.predicted(moment) == alone
    assert tokens <= alone * size < tokens + size * len(requests) + 1


def test_looks_at_an_idle_server_do_not_count():
    blocks = KVBlocks(block_size=16, looks=[(0.5, 0.0), (1.5, 3.0), (2.5, 5.0), (9.0, 0.0)])
    assert blocks.to_json() is None
    blocks.add(finished(40, [1.0, 2.0, 3.0]))
    assert blocks.to_json() == {
        "block_size": 16,
        "looks": 2,
        "predicted_mean": 3.0,
        "reported_mean": 4.0,
        "predicted_max": 3,
        "reported_max": 5.0,
    }
