"""Which web pages may use the server: those that this computer serves itself, and those that were named.

A browser tells with every request which page it comes from, its origin. It asks the server before a page may send
JSON or read an answer (CORS), but a page may always send blindly, and a page that pretends to live at our address (DNS
rebinding) is not asked about at all. So a request from a foreign page is refused here as well: else any site that
somebody visits could make this computer work, or read what the model writes. Programs name no origin and are served.

Source:
    The Fetch standard, "HTTP-CORS protocol"; Ollama has the same default.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lessons.serving.server.protocol import error_json

LOOPBACK = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


class Origins(CORSMiddleware):
    """Answers a browser's questions, and refuses requests from pages that may not use the server.

    Args:
        app: the application.
        allowed: origins that may use it besides the loopback ones, such as ``https://page.example``; ``*`` is any.
    """

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(
            app,
            allow_origins=allowed,
            allow_origin_regex=LOOPBACK,
            allow_methods=("GET", "POST"),
            allow_headers=(
                "*",
            ),  # clients send some of their own, such as Authorization and x-stainless-lang
        )

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        origin = request_headers.get("origin")
        if origin is None or self.is_allowed_origin(origin):
            await super().simple_response(scope, receive, send, request_headers)
            return
        message = f"pages from {origin[:100]!r} may not use this server; start it with --origin to allow them"
        await JSONResponse(error_json(message, "invalid_request_error"), 403)(scope, receive, send)
