"""64 clients at once for as long as one likes: ``ENDURANCE_SECONDS=120 pytest tests/serving/server/test_endurance.py``.

A server in a process of its own, with too few blocks for its slots, whose model fails now and then. Every request
must end: with all its tokens, or with an error that says why.
"""

import asyncio
import json
import os
import random
from collections import Counter
from time import monotonic

import httpx
import pytest

SECONDS = float(os.environ.get("ENDURANCE_SECONDS", "6"))
CLIENTS = 64
PROMPTS = ("A list is", "The capital of France is", "Water boils when it", "One, two, three,")


def request(draw, **fields):
    prompt = draw.choice(PROMPTS) * draw.randint(1, 6)
    return {
        "prompt": prompt,
        "max_tokens": draw.randint(1, 80),
        "temperature": 0,
        "ignore_eos": True,
        **fields,
    }


async def events(answer):
    return [line.removeprefix("data: ") async for line in answer.aiter_lines() if line]


async def streaming(http, draw):
    """Read a stream to its end, and count what came."""
    body = request(draw, stream=True)
    async with http.stream("POST", "/v1/completions", json=body) as answer:
        assert answer.status_code == 200
        found = await events(answer)
    if "error" in (last := json.loads(found[-1] if found[-1] != "[DONE]" else found[-2])):
        assert "the model call failed" in last["error"]["message"]
        return "told of a failure"
    assert found[-1] == "[DONE]" and last["choices"][0]["finish_reason"] == "length"
    assert len(found) == body["max_tokens"] + 1
    return "answered"


async def whole(http, draw):
    """Ask for the answer in one piece."""
    body = request(draw)
    answer = await http.post("/v1/completions", json=body)
    if answer.status_code == 500:
        assert "the model call failed" in answer.json()["error"]["message"]
        return "told of a failure"
    assert answer.json()["usage"]["completion_tokens"] == body["max_tokens"]
    return "answered"


async def vanishing(http, draw):
    async with http.stream("POST", "/v1/completions", json=request(draw, stream=True)) as answer:
        async for _ in answer.aiter_lines():
            if draw.random() < 0.3:
                break
    return "vanished"


async def malformed(http, draw):
    body = draw.choice(
        [b"{", b"[]", b'{"prompt": 7}', b'{"prompt": "a", "max_tokens": -1}', b'{"prompt": "a", "n": 3}']
    )
    answer = await http.post("/v1/completions", content=body)
    assert answer.status_code in (400, 422) and answer.json()["error"]["message"]
    return "refused"


async def too_long(http, draw):
    answer = await http.post("/v1/completions", json=request(draw, prompt="word " * 9000))
    assert answer.status_code == 400 and "tokens" in answer.json()["error"]["message"]
    return "refused"


KINDS = (streaming,) * 6 + (whole,) * 2 + (vanishing,) * 2 + (malformed, too_long)


async def client(http, number, end, ends):
    draw = random.Random(number)
    while monotonic() < end:
        ends[await draw.choice(KINDS)(http, draw)] += 1


async def settled(http):
    """Wait until nobody is served; return the metrics."""
    for _ in range(200):
        text = (await http.get("/metrics")).text
        values = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line[0] != "#"}
        if values["lessons:num_requests_running"] == values["lessons:num_requests_waiting"] == 0:
            return values
        await asyncio.sleep(0.1)
    raise AssertionError("requests are left that nobody waits for")


async def everyone(address):
    ends = Counter()
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=httpx.Limits()) as http:
        end = monotonic() + SECONDS
        await asyncio.gather(*(client(http, number, end, ends) for number in range(CLIENTS)))
        values = await settled(http)
        alive = [await streaming(http, random.Random(n)) for n in range(3)]
    return ends, values, alive


@pytest.mark.slow
def test_no_request_is_lost_and_no_block_leaks(failing_server):
    process, address = failing_server
    ends, values, alive = asyncio.run(everyone(address))
    assert process.poll() is None
    print(
        dict(ends),
        {name: values[f"lessons:{name}"] for name in ("num_preemptions_total", "request_errors_total")},
    )
    assert all(ends[kind] for kind in ("answered", "told of a failure", "vanished", "refused"))
    assert "answered" in alive
    assert values["lessons:kv_blocks_used"] == 0
    assert values["lessons:num_preemptions_total"] > 0
    assert values["lessons:request_errors_total"] >= ends["told of a failure"]
