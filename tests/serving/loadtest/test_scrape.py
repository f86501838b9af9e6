"""The same figures from vLLM's names, old and new, and from ours."""

import pytest

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
