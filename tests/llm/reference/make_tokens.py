"""Make tokens.json: what llama.cpp's tokenizer makes of a set of texts.

Run it in an environment that has xllamacpp, with the model's file as argument::

    python tests/llm/reference/make_tokens.py PATH_TO_GGUF

Texts from ``pydoc_data.topics`` are stored as they are, since they differ between versions of Python.
"""

import json
import sys
from pathlib import Path
from pydoc_data.topics import topics
from urllib.request import Request, urlopen

import xllamacpp

TEXTS = [
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "In 2024 there were 1,234,567 of them; 3.14159 is not 22/7.",
    "don't can't I'll we've he'd she's I'm",
    "    indented\n\n\n  by\tspaces \t and tabs  ",
    "Grüße, naïve café, Ω≈ç√∫, 東京都, Привет, مرحبا, 🌦️👩‍💻",
    "for (int i=0;i<10;++i){ x[i]*=2; } // C\r\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "aaaaaaaaaaaaaaaaaaaaaaaa        bbbb",
    "https://example.org/a_b?c=d&e=%20#f",
    "ALLCAPS camelCase snake_case kebab-case 0x1F600 1e-9",
    "x",
    " ",
    "\n",
]


def main(path: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 256
    params.warmup = False
    server = xllamacpp.Server(params)
    texts = TEXTS + [topics[name][:1500] for name in ("assert", "numbers", "strings", "formatstrings")]
    cases = []
    for text in texts:
        body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
        request = Request(f"{server.listening_address}/tokenize", body, {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            cases.append({"text": text, "ids": json.load(answer)["tokens"]})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (Path(__file__).parent / "tokens.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
