"""Serve the book's language model to many clients, as an OpenAI-compatible server.

``/v1/completions``, ``/v1/chat/completions``, ``/v1/models``, ``/health`` and ``/metrics``. There is no key: whoever
reaches the port may use it. In a browser that are pages of this computer, and those that ``--origin`` names.
"""

from __future__ import annotations

import argparse
from contextlib import suppress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1: this computer only)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (8000)")
    parser.add_argument(
        "--weights", help="float32, bfloat16, or packed as in the file (packed on the CPU, float32 on CUDA)"
    )
    parser.add_argument(
        "--activations",
        help="float32, or int8 with packed weights on the CPU (int8 where it can be)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--slots", type=int, default=8, metavar="N", help="requests that run at a time (8)")
    parser.add_argument(
        "--blocks", type=int, default=512, metavar="N", help="of KV cache, 16 tokens each (512)"
    )
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="let pages from there use it too, such as https://page.example; * is any page (localhost only)",
    )
    parser.add_argument("--policy", default="continuous", help="continuous, or chunked prefill (continuous)")


def run(args: argparse.Namespace) -> None:
    from lessons.cli.generate import default_weights
    from lessons.llm.load import PACKED, load
    from lessons.serving.server import build, serve

    weights = args.weights or default_weights(args.device)
    whole_numbers = weights == PACKED and args.device == "cpu"
    activations = args.activations or ("int8" if whole_numbers else "float32")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how one ends it
        llm = load(weights, args.device, activations=activations)
        api = build(llm, args.slots, args.blocks, args.policy, args.origin)

        def announce(address: str) -> None:
            print(f"serving at {address}", flush=True)

        serve(api, args.host, args.port, announce)
