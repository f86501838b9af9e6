"""The figures of a server from vLLM's names, old and new, and from ours; odd ones are left out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.serving.loadtest.scrape import difference, parse

TEXT = """\
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="a"}} {tokens}
vllm:generation_tokens_total{{engine="1",model_name="a"}} 5.0
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_sum{{model_name="a"}} {seconds}
vllm:time_to_first_token_seconds_count{{model_name="a"}} {requests}
# HELP vllm:time_per_output_token_seconds Histogram of time per output token in seconds.
# TYPE vllm:time_per_output_token_seconds histogram
vllm:time_per_output_token_seconds_sum{{model_name="a"}} {seconds}
vllm:time_per_output_token_seconds_count{{model_name="a"}} {tokens}
# HELP vllm:gpu_cache_usage_perc GPU KV-cache usage.
# TYPE vllm:gpu_cache_usage_perc gauge
vllm:gpu_cache_usage_perc{{model_name="a"}} 0.25
"""


@pytest.mark.parametrize("prefix", ["vllm:", "lessons:"])
def test_what_happened_between_two_scrapes(prefix):
    before = parse(TEXT.format(tokens=10.0, seconds=1.0, requests=2.0).replace("vllm:", prefix))
    after = parse(TEXT.format(tokens=30.0, seconds=4.0, requests=8.0).replace("vllm:", prefix))
    assert difference(before, after) == {
        "generated tokens": 20,
        "TTFT": 0.5,
        "ITL": 0.15,
        "KV cache in use": 0.25,
    }


def test_a_server_without_metrics_says_nothing():
    assert parse("<html>not here</html>") == {} == difference({}, {})


ODD = [
    "vllm:generation_tokens_total NaN\n",
    "vllm:generation_tokens_total +Inf\n",
    "vllm:generation_tokens_total 1" + "0" * 400 + "\n",
    "vllm:time_to_first_token_seconds_count 5\n",  # and no sum
    'vllm:cache_config_info{block_size="0",num_gpu_blocks="0"} 1\nvllm:kv_cache_usage_perc 0.5\n',
    'vllm:cache_config_info{block_size="' + "9" * 400 + '",num_gpu_blocks="x"} 1\n',
    'vllm:cache_config_info{block_size="²",num_gpu_blocks="-1"} 1\n',
    "# TYPE\n# HELP\nvllm:a\n",
    'vllm:a{b="c\n',
    'vllm:a{b=",=}" 5\n',
]


@pytest.mark.parametrize("text", ODD)
def test_odd_samples_say_nothing(text):
    assert difference({}, parse(text)) in ({}, {"KV cache in use": 0.5})
    assert not {"block_size", "num_gpu_blocks"} & set(parse(text))


@given(st.text('vllm:#TYPEHELP_seconds_total{}=", \n\\.0123NaN+-e', max_size=60), st.text(max_size=20))
def test_any_text_can_be_read(text, other):
    for said in (text, other, text + TEXT.format(tokens=1, seconds=1, requests=1)):
        samples = parse(said)
        assert all(math.isfinite(value) for value in samples.values())
        assert all(math.isfinite(value) for value in difference({}, samples).values())


def test_a_server_that_started_anew_has_done_nothing():
    before, after = (parse(TEXT.format(tokens=t, seconds=t, requests=t)) for t in (100.0, 10.0))
    assert difference(before, after) == {"KV cache in use": 0.25}
