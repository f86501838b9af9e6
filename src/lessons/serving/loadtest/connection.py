"""The way to a server: its address, the key to it, and its answers to short questions."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

import httpx

from lessons.errors import LessonError

PATIENCE = 10.0  # seconds for a short question
LONGEST = 1 << 22  # bytes of an answer that are read


@dataclass(frozen=True)
class Answer:
    """What a server said to a short question: an HTTP status, the place that a redirection names, and the body."""

    status: int
    location: str
    body: bytes


class Unreachable(LessonError):
    """No answer came that can be read."""


def checked(url: str) -> httpx.URL:
    """Return a server's address without ``/v1``, the part that all its paths begin with.

    Raises:
        LessonError: when it is no address.
    """
    remedy = "give one like http://127.0.0.1:8000"
    try:
        address = httpx.URL(url.rstrip("/").removesuffix("/v1"))
        address.raw_host.decode("ascii").encode("idna")  # as the look-up of its name will
    except (httpx.InvalidURL, UnicodeError) as error:
        raise LessonError(f"{url!r} is no address ({error}); {remedy}") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise LessonError(f"{url!r} is no address of the web; {remedy}")
    if address.port is not None and not 0 < address.port < 65536:
        raise LessonError(f"{url!r} has the port {address.port}; a port is from 1 to 65535, so {remedy}")
    if address.query or address.fragment:
        raise LessonError(f"{url!r} has something after its path; {remedy}")
    return address


def connect(address: httpx.URL, key: str | None = None) -> httpx.AsyncClient:
    """Return a client of a server, with as many connections as it wants and no limits on time.

    The environment's proxy is used, except to this computer: it would be measured along with the server.

    Args:
        address: from ``checked``.
        key: sent with each request as ``Authorization: Bearer KEY``.

    Raises:
        LessonError: when the key cannot be sent, or the environment names a proxy or a certificate that is none.
    """
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key != ""):
        raise LessonError(
            "the API key is empty, or holds spaces at its ends or characters that are not ASCII; copy it again"
        )
    try:
        return httpx.AsyncClient(
            base_url=address,
            timeout=None,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            headers={"Authorization": f"Bearer {key}"} if key else None,
            trust_env=not is_loopback(address.host),
        )
    except (httpx.InvalidURL, ValueError, OSError, ImportError) as error:
        raise LessonError(
            f"the environment's proxy or certificate cannot be used ({error}); unset it"
        ) from None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this computer by its name alone."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_loopback or ip.is_unspecified


async def ask(http: httpx.AsyncClient, path: str) -> Answer:
    """Return the answer to a GET, whatever its status.

    Raises:
        Unreachable: when none comes.
    """
    try:
        async with asyncio.timeout(PATIENCE), http.stream("GET", path) as answer:
            return Answer(answer.status_code, answer.headers.get("Location", ""), await beginning(answer))
    except TimeoutError:
        raise Unreachable(f"nothing in {PATIENCE:g} s") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{type(error).__name__} {error}".strip()) from None


async def beginning(answer: httpx.Response) -> bytes:
    """Return a body, or its first bytes where it does not end."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > LONGEST:
            break
    return bytes(body)
