"""Whatever a server sends, one odd answer is one failure with a reason, and the others are measured."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.errors import LessonError

from .fakes import DONE, GOOD, PIECES, WARMING, event, measured, usage

TEXT = b"".join(PIECES)


def told(**counts):
    """A good answer with another usage."""
    return TEXT + event(usage={"prompt_tokens": 5, "completion_tokens": 3} | counts) + DONE


def raw(value):
    """A good answer with something else between its events."""
    return PIECES[0] + b"data: " + value + b"\n\n" + PIECES[1] + PIECES[2] + usage() + DONE


def chosen(value):
    return raw(json.dumps({"choices": value}).encode())


DEEP = b"[" * 100_000
TAKEN = {
    # Events that are no objects, or say nothing: gateways keep connections alive with them.
    "null": raw(b"null"),
    "a number": raw(b"5"),
    "a list": raw(b"[1]"),
    "a text": raw(b'"hi"'),
    "nothing": raw(b""),
    "an empty object": raw(b"{}"),
    "NaN": raw(b"NaN"),
    "choices null": chosen(None),
    "choices an object": chosen({}),
    "choices a number": chosen(5),
    "choices a text": chosen("abc"),
    "a choice that is a text": chosen(["a"]),
    "a choice that is null": chosen([None]),
    "a choice without text": chosen([{"index": 0}]),
    "a text that is null": chosen([{"text": None}]),
    "a text that is a number": chosen([{"text": 5}]),
    "a text that is a list": chosen([{"text": ["a"]}]),
    "error null": raw(b'{"choices": [], "error": null}'),
    "usage null": raw(b'{"choices": [], "usage": null}'),
    "usage empty": raw(b'{"choices": [], "usage": {}}'),
    "a half of a character": chosen([{"text": "\ud83d"}]),
    "bytes that are no UTF-8": raw(b'{"choices": [{"text": "\xff\xfe"}]}'),
    # Counts that are missing or whole all the same.
    "completion_tokens null": told(completion_tokens=None),
    "prompt_tokens null": told(prompt_tokens=None),
    "completion_tokens 3.0": told(completion_tokens=3.0),
    "no usage": TEXT + DONE,
    "usage first": usage() + TEXT + DONE,
    "usage in every event": b"".join(event(t, usage={"completion_tokens": i}) for i, t in enumerate("abc", 1))
    + DONE,
    "usage doubled": TEXT + usage() + usage() + DONE,
    "usage with absurd details": told(prompt_tokens_details={"cached_tokens": "x"}, total_tokens=-1),
    # The same stream, written otherwise.
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "CR": GOOD.replace(b"\n", b"\r"),
    "one line end after each event": GOOD.replace(b"\n\n", b"\n"),
    "no space after the colon": GOOD.replace(b"data: ", b"data:"),
    "no line end after the mark": GOOD.rstrip(b"\n"),
    "comments": GOOD.replace(b"data", b": ping\n\ndata"),
    "names, ids and delays": GOOD.replace(b"data", b"event: message\nid: 7\nretry: 10\ndata"),
    "an unknown field": GOOD.replace(b"data", b"\xff: 5\ndata"),
    "a byte order mark": b"\xef\xbb\xbf: begin\n\n" + GOOD,
    "an event in two lines": GOOD.replace(b'"choices": ', b'"choices":\ndata: '),
    "something after the mark": GOOD + b"data: {\n\n",
    "the mark twice": GOOD + DONE,
    "an event twice": PIECES[0] + TEXT + usage() + DONE,
    "events in another order": b"".join(reversed(PIECES)) + usage() + DONE,
    "separators of lines in a text": b"".join(
        b'data: {"choices": [{"text": "a' + mark.encode() + b'b"}]}\n\n' for mark in "\u2028\u2029\u0085"
    )
    + usage()
    + DONE,
    "control characters in a text": event("\x0b\x0c\x1c\x1d\x1e")
    + TEXT[: len(PIECES[0]) * 2]
    + usage()
    + DONE,
    "an empty first piece": event("") + GOOD,
    "an empty last piece": TEXT + event("") + usage() + DONE,
    "two choices": event("A", choices=[{"text": "A"}, {"text": "B"}]) + event(" c") + usage() + DONE,
}
FAILED = {
    "completion_tokens 3.5": (told(completion_tokens=3.5), "completion_tokens is no whole number"),
    "completion_tokens a text": (told(completion_tokens="3"), "completion_tokens is no whole number"),
    "completion_tokens a list": (told(completion_tokens=[3]), "completion_tokens is no whole number"),
    "completion_tokens true": (told(completion_tokens=True), "completion_tokens is no whole number"),
    "completion_tokens NaN": (told(completion_tokens=float("nan")), "completion_tokens is no whole number"),
    "completion_tokens infinite": (
        told(completion_tokens=float("inf")),
        "completion_tokens is no whole number",
    ),
    "completion_tokens negative": (told(completion_tokens=-1), "completion_tokens is not from 0"),
    "completion_tokens absurd": (told(completion_tokens=50_000_000), "completion_tokens is not from 0"),
    "more tokens than asked for": (told(completion_tokens=5), "a usage of 5 tokens where 4 were asked for"),
    "no tokens in a text": (told(completion_tokens=0), "without tokens"),
    "prompt_tokens a text": (told(prompt_tokens="x"), "prompt_tokens is no whole number"),
    "prompt_tokens absurd": (told(prompt_tokens=50_000_000), "prompt_tokens is not from 0"),
    "prompt_tokens 1e300": (told(prompt_tokens=1e300), "prompt_tokens is not from 0"),
    "usage a list": (TEXT + event(usage=[1]) + DONE, "usage that is no object"),
    "usage a number": (TEXT + event(usage=0) + DONE, "usage that is no object"),
    "a number of 5000 digits": (raw(b'{"usage": {"completion_tokens": ' + b"9" * 5000 + b"}}"), "no JSON"),
    "deep": (raw(DEEP), "no JSON"),
    "cut": (raw(b'{"choices": [{"te'), "no JSON"),
    "cut at the end": (TEXT + b'data: {"choi', "no JSON"),
    "no JSON": (raw(b"hello"), "no JSON"),
    "no mark": (TEXT + usage(), "broke off before [DONE]"),
    "empty": (b"", "broke off before [DONE]"),
    "comments alone": (b": ping\n\n" * 5, "broke off before [DONE]"),
    "only the mark": (DONE, "without tokens"),
    "only usage": (usage() + DONE, "without tokens"),
    "a page": (b"<html>\n<body>\nhello", "no stream of events"),
    "one object and no stream": (b'{"error": {"message": "no streams here"}}', "no streams here"),
    "an error": (PIECES[0] + event(error={"message": "out of luck"}) + DONE, "out of luck"),
    "an error that is a text": (PIECES[0] + event(error="out of luck") + DONE, "out of luck"),
    "an error that is an object of numbers": (PIECES[0] + event(error={"code": 5}) + DONE, "no reason given"),
    "an error without a word": (PIECES[0] + event(error=0) + DONE, "no reason given"),
    "vLLM's error": (PIECES[0] + b'data: {"object": "error", "message": "bad thing"}\n\n', "bad thing"),
    "an event named error": (b'event: error\ndata: {"detail": "bad thing"}\n\n', "bad thing"),
    "a line without end": (b"data: " + b"x" * (1 << 21), "bytes"),
    "an event of many lines": (b"data: [\n" * 1000, "no JSON"),
    "text without end": ([TEXT] * 2000, "pieces for 4 tokens"),
    "a refusal": ((400, b'{"error": {"message": "too long"}}'), "HTTP 400: too long"),
    "vLLM's refusal": ((400, b'{"object":"error","message":"bad thing","code":400}'), "HTTP 400: bad thing"),
    "FastAPI's refusal": ((422, b'{"detail":[{"loc":["a"],"msg":"bad thing"}]}'), "HTTP 422: bad thing"),
    "FastAPI's short refusal": ((404, b'{"detail":"Not Found"}'), "HTTP 404: Not Found"),
    "a refusal with an empty error": ((400, b'{"error": null, "message": "bad"}'), "HTTP 400: bad"),
    "a refusal as text": ((503, b"try later"), "HTTP 503: try later"),
    "a refusal as a page": ((502, b"<html>bad</html>"), "HTTP 502: Bad Gateway"),
    "a refusal without a word": ((500, b""), "HTTP 500: Internal Server Error"),
    "a refusal of no known kind": ((599, b""), "HTTP 599: no reason given"),
    "a deep refusal": ((400, DEEP), "HTTP 400: [[["),
    "a colourful refusal": ((400, b'{"error": "\\u001b[31mred\\n\\u0000now"}'), "HTTP 400: [31mred now"),
    "a redirection": ((307, b""), "HTTP 307: Temporary Redirect"),
    "no content": ((204, b""), "HTTP 204"),
}


def test_the_tables_are_long():
    assert len(TAKEN) + len(FAILED) >= 90


def test_what_is_sound_is_measured(fake):
    report = measured(fake, 8)
    assert (len(report.metrics), report.failures.total(), report.metrics.tokens) == (8, 0, 24)


@pytest.mark.parametrize("name", TAKEN)
def test_harmless_oddities_change_no_count(fake, name):
    fake.say = lambda body, number: TAKEN[name] if number == WARMING + 1 else GOOD
    report = measured(fake)
    assert report.failures == {}
    assert (len(report.metrics), report.metrics.tokens) == (3, 9)
    assert json.loads(json.dumps(report.to_json()))["attainment"] == 1 and "3 finished, 0 failed" in str(
        report
    )


@pytest.mark.parametrize("name", FAILED)
def test_an_odd_answer_is_one_failure(fake, name):
    answer, reason = FAILED[name]
    fake.say = lambda body, number: answer if number == WARMING + 1 else GOOD
    report = measured(fake)
    assert len(report.metrics) == 2 and list(report.failures.values()) == [1]
    assert reason in next(iter(report.failures))
    assert "2 finished, 1 failed" in str(report)
    assert all(line.isprintable() for line in str(report).split("\n"))


@pytest.mark.parametrize("name", [n for n in FAILED if not isinstance(FAILED[n][0], tuple)])
def test_an_odd_first_answer_does_not_end_the_test(fake, name):
    fake.say = lambda body, number: FAILED[name][0] if number == 0 else GOOD
    report = measured(fake)
    assert len(report.metrics) == 3 and report.failures == {}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def mutated(value, draw):
    """A value of JSON in which one place was exchanged or is missing."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 3)) == 0:
        return draw(values)
    key = (
        draw(st.sampled_from(sorted(value)))
        if isinstance(value, dict)
        else draw(st.integers(0, len(value) - 1))
    )
    changed = value.copy()
    if draw(st.integers(0, 4)) == 0:
        del changed[key]
    else:
        changed[key] = mutated(value[key], draw)
    return changed


@st.composite
def streams(draw):
    """A sound stream with a few changes: events exchanged, missing, doubled, moved, or their bytes cut."""
    counts = {"prompt_tokens": 5, "completion_tokens": 3}
    parts = [{"choices": [{"index": 0, "text": t}], "usage": None} for t in ("A", " b", " c")]
    parts.append({"choices": [], "usage": counts})
    made = [b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts] + [DONE]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(made) - 1)) if made else 0
        kind = draw(st.sampled_from(["exchange", "value", "drop", "double", "swap", "cut", "insert", "ends"]))
        if kind == "insert" or not made:
            made.insert(at, draw(st.binary(max_size=20)))
        elif kind == "exchange":
            part = mutated(parts[draw(st.integers(0, 3))], draw)
            made[at] = b"data: " + json.dumps(part).encode() + b"\n\n"
        elif kind == "value":
            made[at] = b"data: " + json.dumps(draw(values)).encode() + b"\n\n"
        elif kind == "drop":
            del made[at]
        elif kind == "double":
            made.insert(at, made[at])
        elif kind == "swap":
            made.insert(draw(st.integers(0, len(made) - 1)), made.pop(at))
        elif kind == "cut":
            made[at] = made[at][: draw(st.integers(0, len(made[at])))]
        else:
            made[at] = made[at].replace(
                b"\n", draw(st.sampled_from([b"\r", b"\r\n", b"\n\n\n", b"\xe2\x80\xa8"]))
            )
    return b"".join(made)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(streams(), min_size=1, max_size=6))
def test_any_mutation_is_an_answer_or_a_failure(fake, odd):
    fake.reset()
    fake.say = lambda body, number: (
        odd[number - WARMING - 1] if WARMING < number <= WARMING + len(odd) else GOOD
    )
    report = measured(fake, len(odd) + 2)
    ended = len(report.metrics) + report.failures.total()
    assert ended == len(odd) + 2 and len(report.metrics) >= 2
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["output_tokens"] <= 9 * len(odd) + 6 and data["seconds"] > 0
    assert all(reason and len(reason) < 250 for reason in data["failed"])
    assert f"{len(report.metrics)} finished, {report.failures.total()} failed" in str(report)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([200, 404, 500]))
def test_any_models_and_metrics_are_an_answer_or_a_sentence(fake, models, metrics, status):
    fake.reset()
    fake.models, fake.metrics = (status, models), (200, metrics)
    with pytest.raises(LessonError) as caught:
        measured(fake, 1)
    assert "\n" not in str(caught.value)
    assert len(measured(fake, 1, model="m").metrics) == 1
