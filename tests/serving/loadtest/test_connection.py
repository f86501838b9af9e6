"""The way to a server: addresses, proxies, keys, and what it says when it will not serve."""

import pytest

from lessons.errors import LessonError
from lessons.serving.loadtest.connection import checked, connect, is_loopback

from .fakes import DONE, GOOD, PIECES, WARMING, event, measured

KEY = "sk-a/secret+of=mine"


@pytest.mark.parametrize(
    "url, base",
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000"),
        ("https://host/models/a/v1", "https://host/models/a"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
    ],
)
def test_addresses(url, base):
    assert str(checked(url)) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "127.0.0.1:8000",
        "localhost:8000",
        "//127.0.0.1:8000",
        "http://",
        "http:///v1",
        "ftp://127.0.0.1",
        "unix:/tmp/socket",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:999999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:http",
        "http://[::1",
        "http://a..b",
        "http://" + "a" * 70 + ".example",
        "http://a\x00b",
        "http://127.0.0.1:8000/v1?x=1",
        "http://127.0.0.1:8000#a",
    ],
)
def test_what_is_no_address_is_one_sentence(url):
    with pytest.raises(LessonError, match=r"(?s)http://127\.0\.0\.1:8000") as caught:
        checked(url)
    assert repr(url) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "host, loopback",
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("a.localhost", True),
        ("0.0.0.0", True),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) == loopback


PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@pytest.mark.parametrize("name", PROXIES)
def test_no_proxy_stands_before_this_computer(fake, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert len(measured(fake).metrics) == 3


def test_a_proxy_is_asked_for_others(fake, monkeypatch):
    for name in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", fake.url)
    fake.url = "http://far.example"
    try:
        assert len(measured(fake).metrics) == 3
    finally:
        fake.url = f"http://127.0.0.1:{fake.server_address[1]}"
    assert {headers["Host"] for headers in fake.headers} == {"far.example"}


@pytest.mark.parametrize("proxy", ["nonsense://a", "http://a:b:c"])
def test_a_proxy_that_is_none_is_one_sentence(monkeypatch, proxy):
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(LessonError, match="proxy"):
        connect(checked("http://far.example"))


def test_a_key_goes_with_every_request(fake):
    measured(fake, key=KEY)
    sent = [headers.get("Authorization") for headers in fake.headers]
    assert len(sent) > 5 and set(sent) == {f"Bearer {KEY}"}


def test_without_a_key_none_is_sent(fake):
    measured(fake)
    assert not any("Authorization" in headers for headers in fake.headers)


@pytest.mark.parametrize("key", ["", " sk", "sk\n", "a\r\nHost: b", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_not_shown(fake, key):
    with pytest.raises(LessonError, match="API key") as caught:
        measured(fake, key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("before", ["no key like ", "x" * 195])
def test_no_message_shows_the_key(fake, before):
    refused = (401, f'{{"error": {{"message": "{before}{KEY}"}}}}'.encode())
    answers = [refused, PIECES[0] + event(error=before + KEY) + DONE]
    fake.say = lambda body, number: answers[number - WARMING] if number >= WARMING else GOOD
    report = measured(fake, 2, key=KEY)
    assert report.failures.total() == 2 and "sk-" not in str(report) + str(report.to_json())
    fake.say = lambda body, number: refused
    with pytest.raises(LessonError, match="first request") as caught:
        measured(fake, key=KEY)
    assert "sk-" not in str(caught.value)
    fake.models = refused
    with pytest.raises(LessonError, match="HTTP 401") as caught:
        measured(fake, key=KEY)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "models, words",
    [
        ((401, b'{"error": {"message": "who are you"}}'), "HTTP 401: who are you; give its key"),
        ((403, b""), "HTTP 403: Forbidden; give its key"),
        ((404, b'{"detail": "Not Found"}'), "HTTP 404: Not Found"),
        ((500, b"out of luck"), "HTTP 500: out of luck"),
        ((503, b"<html>later</html>"), "HTTP 503: Service Unavailable"),
        ((307, b"", "http://elsewhere/v1/models"), r"http://elsewhere/v1/models \(HTTP 307\)"),
        ((302, b""), "HTTP 302: Found"),
        ((200, b"<html>"), "lists no models"),
        ((200, b""), "lists no models"),
        ((200, b"null"), "lists no models"),
        ((200, b'{"data": []}'), "lists no models"),
        ((200, b'{"data": [{"id": 5}]}'), "lists no models"),
        ((200, b'{"data": {"id": "m"}}'), "lists no models"),
        ((200, b"[" * 100_000), "lists no models"),
        ((200, b"\xff\xfe"), "lists no models"),
    ],
)
def test_a_server_that_lists_no_models_is_quoted(fake, models, words):
    fake.models = models
    with pytest.raises(LessonError, match=words) as caught:
        measured(fake)
    assert "start it first" not in str(caught.value) and fake.url in str(caught.value)


def test_a_named_model_is_not_looked_for(fake):
    fake.models = (404, b"")
    assert len(measured(fake, model="mine").metrics) == 3
    assert {body["model"] for body in fake.bodies} == {"mine"}


def test_nobody_there():
    with pytest.raises(LessonError, match=r"no server answers at http://127\.0\.0\.1:9 .*start it first"):
        measured(type("Nobody", (), {"url": "http://127.0.0.1:9"}))
