"""Continue a prompt with the book's language model.

The prompt is continued as plain text; ``--chat`` puts it to the Instruct model as a question.
"""

from __future__ import annotations

import argparse
import json
from statistics import median

from lessons.cli.words import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", type=text, metavar="PROMPT", help="the text to continue")
    parser.add_argument("--max-tokens", type=int, default=64, metavar="N", help="most tokens to write (64)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 is greedy (0)")
    parser.add_argument("--top-k", type=int, default=0, metavar="K", help="draw from the K likeliest (all)")
    parser.add_argument(
        "--top-p", type=float, default=1.0, metavar="P", help="draw from the likeliest share (1)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the draws (0)")
    parser.add_argument(
        "--stop", type=text, action="append", default=[], metavar="TEXT", help="end before this text"
    )
    parser.add_argument("--chat", action="store_true", help="put the prompt as a user's message")
    parser.add_argument(
        "--weights", help="float32, bfloat16, or packed as in the file (packed on the CPU, float32 on CUDA)"
    )
    parser.add_argument(
        "--activations", default="float32", help="float32, or int8 with packed weights on the CPU (float32)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> None:
    from lessons.llm.generate import check_request, generate
    from lessons.llm.load import load

    check_request(args.prompt, args.max_tokens, args.temperature, args.top_k, args.top_p)
    llm = load(args.weights or default_weights(args.device), args.device, activations=args.activations)
    message = {"role": "user", "content": args.prompt}
    result = generate(
        llm,
        llm.tokenizer.encode_chat([message]) if args.chat else args.prompt,
        args.max_tokens,
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        seed=args.seed,
        stop=args.stop,
    )
    if args.json:
        print(
            json.dumps(
                {
                    "token_ids": result.token_ids,
                    "text": result.text,
                    "prompt_tokens": result.prompt_tokens,
                    "prefill_seconds": result.prefill_seconds,
                    "seconds_per_token": median(result.decode_seconds) if result.decode_seconds else None,
                    "decode_seconds": result.decode_seconds,
                    "finish_reason": result.finish_reason,
                }
            )
        )
    else:
        print(result.text)


def default_weights(device: str) -> str:
    """Return how the weights are kept when nobody says: the fastest way with float32 arithmetic."""
    return "packed" if device == "cpu" else "float32"
