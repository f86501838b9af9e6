"""A browser's questions, asked as the Fetch standard says, and what a page gets that nobody allowed."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lessons.serving.server.origins import Origins

HOME = ["http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:80"]
FOREIGN = [
    "https://page.example",
    "http://localhost.page.example",
    "http://page.example:8000",
    "http://127.0.0.1.page.example",
    "http://localhost:80@page.example",
    "xhttp://localhost",
    "null",  # files, and frames that anybody's page can make
    "",
]


def ask(method, *, allowed=(), **headers):
    """Send one request to an application that says "ran" when it is reached."""

    async def start():
        app = Starlette(
            routes=[Route("/", lambda request: PlainTextResponse("ran"), methods=["GET", "POST"])],
            middleware=[Middleware(Origins, allowed)],
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.request(
                method, "/", headers={k.replace("_", "-"): v for k, v in headers.items()}
            )

    return asyncio.run(start())


def preflight(origin, **options):
    """Ask as a browser does before a page sends JSON with a key and the headers of OpenAI's client."""
    wanted = "authorization,content-type,x-stainless-lang"
    return ask(
        "OPTIONS",
        origin=origin,
        access_control_request_method="POST",
        access_control_request_headers=wanted,
        **options,
    )


def lets_in(answer, origin):
    """Whether a browser would let the page of an origin go on."""
    assert "access-control-allow-credentials" not in answer.headers
    return answer.status_code == 200 and answer.headers.get("access-control-allow-origin") in (origin, "*")


@pytest.mark.parametrize("origin", HOME)
def test_pages_of_this_computer_may(origin):
    asked = preflight(origin)
    assert lets_in(asked, origin) and "POST" in asked.headers["access-control-allow-methods"]
    for header in ("authorization", "content-type", "x-stainless-lang"):
        assert header in asked.headers["access-control-allow-headers"].lower()
    answer = ask("POST", origin=origin)
    assert lets_in(answer, origin) and answer.text == "ran" and "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_pages_may_not_and_their_requests_do_not_run(origin):
    assert not lets_in(preflight(origin), origin)
    for method in ("GET", "POST"):
        answer = ask(method, origin=origin)
        assert answer.status_code == 403 and not lets_in(answer, origin)
        assert answer.json()["error"]["message"].startswith(f"pages from {origin!r} may not use this server")


def test_a_page_that_is_named_may():
    origin = "https://page.example"
    assert lets_in(preflight(origin, allowed=(origin,)), origin)
    assert ask("POST", origin=origin, allowed=(origin,)).text == "ran"
    assert ask("POST", origin="https://page.example:8080", allowed=(origin,)).status_code == 403
    assert lets_in(preflight("http://localhost:3000", allowed=(origin,)), "http://localhost:3000")


def test_any_page_may_where_any_was_allowed():
    assert lets_in(preflight("https://page.example", allowed=("*",)), "https://page.example")
    assert ask("POST", origin="null", allowed=("*",)).text == "ran"


def test_programs_name_no_origin():
    answer = ask("POST")
    assert answer.text == "ran" and "access-control-allow-origin" not in answer.headers
