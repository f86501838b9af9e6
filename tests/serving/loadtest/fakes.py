"""A server that says whatever a test wants, on a port of its own."""

import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lessons.serving.loadtest import load_test
from lessons.serving.metrics import SLO
from lessons.serving.workload import AtOnce, Fixed, workload

MODELS = json.dumps({"data": [{"id": "m"}]}).encode()


def event(text=None, **fields):
    """One event of a stream, with a choice if there is a text."""
    choices = [] if text is None else [{"index": 0, "text": text}]
    return b"data: " + json.dumps({"choices": choices, **fields}).encode() + b"\n\n"


def usage(prompt_tokens=5, completion_tokens=3):
    return event(usage={"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens})


DONE = b"data: [DONE]\n\n"
PIECES = [event("A"), event(" b"), event(" c")]
GOOD = b"".join([*PIECES, usage(), DONE])
WARMING = 2  # requests before the test's own


class Fake(ThreadingHTTPServer):
    """Answers as its attributes say, and remembers what it was sent.

    Attributes:
        models, metrics: status and body; models may have a place to go to as a third.
        say: takes the body of a completion's request and its number; returns a body, or a status and a body.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.reset()

    def handle_error(self, request, client_address):
        """Say nothing: a client may well go before it has read everything."""

    def reset(self):
        self.models, self.metrics = (200, MODELS), (404, b"")
        self.say = lambda body, number: GOOD
        self.bodies, self.headers = [], []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.headers.append(dict(self.headers))
        self._send(*(self.server.models if "models" in self.path else self.server.metrics))

    def do_POST(self):
        self.server.headers.append(dict(self.headers))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        said = self.server.say(body, len(self.server.bodies) - 1)
        self._send(*(said if isinstance(said, tuple) else (200, said)))

    def _send(self, status, body, location=None):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        for piece in [body] if isinstance(body, bytes) else body:
            self.wfile.write(piece)

    def log_message(self, *args):
        pass


def measured(fake, count=3, tokens=4, **options):
    """The report of a closed loop of one client."""
    requests = workload(count, AtOnce(), Fixed(6), Fixed(tokens), seed=1)
    return asyncio.run(load_test(fake.url, requests, **{"concurrency": 1, "slo": SLO(60, 60), **options}))
