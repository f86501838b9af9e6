"""Put load on an OpenAI-compatible server and print TTFT, TPOT, ITL, throughput and goodput."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lessons.cli.words import text

MOST_REQUESTS = 1_000_000
LEAST_RATE = 1e-5  # requests a second: one a day


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="of the server, such as http://127.0.0.1:8000")
    parser.add_argument("--requests", type=int, default=64, metavar="N", help="how many (64)")
    load = parser.add_mutually_exclusive_group()
    load.add_argument("--rate", type=float, metavar="R", help="requests a second, at random moments")
    load.add_argument("--concurrency", type=int, metavar="C", help="clients, each waiting for its answer (8)")
    load.add_argument("--trace", metavar="FILE", help="requests with their arrivals, as JSON lines")
    parser.add_argument("--input-tokens", type=int, default=128, metavar="N", help="of a prompt, about (128)")
    parser.add_argument(
        "--output-tokens", type=int, default=64, metavar="N", help="of an answer, at most (64)"
    )
    parser.add_argument("--ignore-eos", action="store_true", help="let no answer end sooner")
    parser.add_argument("--ttft", type=float, default=1.0, metavar="S", help="objective in seconds (1)")
    parser.add_argument("--tpot", type=float, default=0.1, metavar="S", help="objective in seconds (0.1)")
    parser.add_argument("--model", type=text, help="its name (the first that the server lists)")
    parser.add_argument("--api-key", metavar="KEY", help="that the server wants (OPENAI_API_KEY)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of prompts and arrivals (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    import asyncio
    import os

    from lessons.cli.ending import heed
    from lessons.errors import LessonError
    from lessons.serving.loadtest import load_test
    from lessons.serving.metrics import SLO

    requests = planned(args)
    concurrency = args.concurrency if args.concurrency or args.rate or args.trace else 8
    test = load_test(
        args.url,
        requests,
        concurrency=concurrency,
        slo=SLO(args.ttft, args.tpot),
        model=args.model,
        seed=args.seed,
        ignore_eos=args.ignore_eos,
        key=args.api_key or os.environ.get("OPENAI_API_KEY") or None,
    )
    heed()  # what was measured by then is printed
    try:
        report = asyncio.run(test)
    except (
        KeyboardInterrupt
    ):  # before the first request of the test; later it ends the test and not the program
        raise LessonError("interrupted before anything was measured") from None
    print(json.dumps(report.to_json()) if args.json else report)
    return 1 if report.failures else 0


def planned(args: argparse.Namespace) -> list:
    """Return the requests that the arguments ask for.

    Raises:
        LessonError: for a value outside its range, or a trace that cannot be read.
    """
    from lessons.errors import LessonError
    from lessons.serving.workload import AtOnce, Fixed, Poisson, read_trace, workload

    for name in ("requests", "input_tokens", "output_tokens", "rate", "concurrency", "ttft", "tpot"):
        value = getattr(args, name)
        if value is not None and not 0 < value < float("inf"):
            raise LessonError(f"{name.replace('_', '-')} is {value}; it must be above 0")
    if args.requests > MOST_REQUESTS:
        raise LessonError(
            f"requests is {args.requests}; all are kept in memory, so ask for at most {MOST_REQUESTS}"
        )
    if args.rate is not None and args.rate < LEAST_RATE:
        raise LessonError(f"rate is {args.rate}; a request a day is the least, so give {LEAST_RATE} or more")
    if args.trace is not None:
        try:
            if Path(args.trace).is_char_device():  # it may have no end
                raise LessonError(f"the trace {args.trace} is a device; name a file")
            return read_trace(args.trace)
        except OSError as error:
            raise LessonError(f"cannot read the trace {args.trace} ({error.strerror})") from None
    arrivals = Poisson(args.rate) if args.rate else AtOnce()
    lengths = Fixed(args.input_tokens), Fixed(args.output_tokens)
    return list(workload(args.requests, arrivals, *lengths, seed=args.seed))
