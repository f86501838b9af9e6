"""Model files that lie, one for each seed, and all that can be done with a file: open it, and write six tokens.

As a program, ``python hostile.py FOLDER``, it takes seeds from its input, and answers each with a line of JSON. A file
may kill it. ``survey`` runs such programs, and knows then which file it was.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Timer

import gguf_writer
import mutate

PATIENCE = 300  # seconds after which a file is said to hang
ROOM = 4 << 30  # bytes of memory that a file may ask for
DEADLY = -1  # the seed of a file that kills the process, for a test of ``survey``

File = tuple[dict, dict]  # metadata and tensors as ``gguf_writer.write`` takes them

INTEGERS = (0, 1, 2, 3, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
VALUES: tuple[tuple[int, object], ...] = (
    *((4, x) for x in INTEGERS),
    *((10, x) for x in ((1 << 32) + 64, 1 << 63, (1 << 64) - 64, (1 << 64) - 1)),
    *((5, x) for x in (-1, -64, -(1 << 31))),
    *((6, x) for x in (math.nan, math.inf, -math.inf, -1.0, 0.0, 64.0, 1e-30)),
    *((12, x) for x in (5e-324, 1e-300, 0.5, 1e300)),
    *((8, x) for x in ("", "64", "llama", "ü" * 300_000)),
    *((9, (8, x)) for x in ([], [""], ["", ""], ["a b c"], ["a"], ["t h", "t h"], ["\x00 \x00"])),
    *((9, (4, x)) for x in ([], [64], [0] * 200)),
    *((9, (6, x)) for x in ([math.nan] * 176, [3.0] * 176)),
    (7, 1),
)


def short(x: object) -> str:
    text = repr(x)
    return text if len(text) < 40 else f"{text[:30]}... of {len(text)}"


def other_value(file: File, random_: random.Random) -> str:
    metadata, _ = file
    key = random_.choice([*metadata, "llama.vocab_size", "general.alignment", "llama.rope.dimension_count"])
    metadata[key] = random_.choice(VALUES)
    return f"{key} = {short(metadata[key][1])}"


def size_a_little_off(file: File, random_: random.Random) -> str:
    metadata, _ = file
    key = f"llama.{random_.choice(list(gguf_writer.TINY))}"
    if key in metadata and metadata[key][0] == 4:
        size = metadata[key][1]
        metadata[key] = (
            4,
            max(0, random_.choice((size // 2, size * 2, size - 1, size + 1, size + 16, size * 3))),
        )
        return f"{key} = {metadata[key][1]}"
    return "nothing"


def no_key(file: File, random_: random.Random) -> str:
    key = random_.choice(list(file[0]))
    del file[0][key]
    return f"no {key}"


def bad_tokenizer(file: File, random_: random.Random) -> str:
    metadata, _ = file
    kind = random_.randrange(7)
    tokens = gguf_writer.llama_metadata()["tokenizer.ggml.tokens"][1][1]
    at = random_.randrange(len(tokens))
    if kind == 0:
        tokens[at] = tokens[0]
    elif kind == 1:
        tokens[at] = random_.choice(("", " ", "\x00", "\ud7ff", "x" * 100_000, "<|", "Ġ" * 50))
    elif kind == 2:
        tokens = [f"<|{i}|>" for i in range(len(tokens))]
    elif kind == 3:
        metadata["tokenizer.ggml.token_type"] = 9, (5, [random_.choice((3, -1, 7))] * len(tokens))
    elif kind == 4:
        metadata["tokenizer.ggml.token_type"] = 9, (5, [1] * random_.choice((1, len(tokens) - 1, 1000)))
    elif kind == 5:
        bad = random_.choice(("", " ", "a", "a b c", "q q", "ü ü", "th", "h" * 99_999 + " e", "t  h", " h"))
        metadata["tokenizer.ggml.merges"] = 9, (8, [*gguf_writer.MERGES, bad])
        return f"the merge {short(bad)}"
    else:
        metadata["tokenizer.ggml.eos_token_id"] = 4, random_.choice((len(tokens), (1 << 32) - 1, 0))
    metadata["tokenizer.ggml.tokens"] = 9, (8, tokens)
    return f"a tokenizer of kind {kind} at {at}"


def tensor_gone(file: File, random_: random.Random) -> str:
    name = random_.choice(list(file[1]))
    tensor = file[1].pop(name)
    new = random_.choice(
        (None, "output.weight", "blk.2.attn_q.weight", "blk..attn_q.weight", "blk.", "x" * 300_000)
    )
    if new:
        file[1][new] = tensor
    return f"{name} is now {short(new)}"


def tensors_swapped(file: File, random_: random.Random) -> str:
    a, b = random_.sample(list(file[1]), 2)
    file[1][a], file[1][b] = file[1][b], file[1][a]
    return f"{a} and {b} swapped"


def other_sizes(file: File, random_: random.Random) -> str:
    name = random_.choice(list(file[1]))
    sizes, kind, data = file[1][name]
    axis, one = random_.randrange(len(sizes)), 1 << random_.choice((0, 5, 16, 32, 58, 62))
    changed = list(sizes)
    changed[axis] = random_.choice((0, changed[axis] * 2, changed[axis] - 32, changed[axis] + 32, one))
    sizes = random_.choice(
        (changed, list(reversed(sizes)), [*sizes, 1], [*sizes, 1 << 60], [math.prod(sizes)])
    )
    file[1][name] = [size % (1 << 64) for size in sizes], kind, data
    return f"{name} is {sizes}"


def other_type(file: File, random_: random.Random) -> str:
    name = random_.choice(list(file[1]))
    sizes, kind, data = file[1][name]
    kind = random_.choice((0, 1, 2, 3, 8, 12))
    longer = data * random_.choice((1, 8))
    file[1][name] = sizes, kind, longer
    return f"{name} is of type {kind} with {len(longer)} bytes"


def bad_numbers(file: File, random_: random.Random) -> str:
    name = random_.choice(list(file[1]))
    sizes, kind, data = file[1][name]
    pattern = random_.choice(
        (b"\xff", b"\x00", b"\x7f", b"\x00\x7c", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f")
    )
    file[1][name] = sizes, kind, (pattern * len(data))[: len(data)]
    return f"{name} is filled with {pattern.hex()}"


def other_shape(file: File, random_: random.Random) -> str:
    """Another network than the tiny one, which its metadata and its tensors agree on."""
    pick = random_.choice
    heads, kv_heads = pick(((6, 2), (6, 2), (1, 1), (3, 1), (6, 6), (7, 7), (40, 1)))
    sizes = {
        "block_count": pick((1, 2, 3)),
        "context_length": pick((1, 7, 8, 40, 40, 40, 1 << 18, 1 << 40)),
        "embedding_length": pick((2, 31, 32, 64, 64, 96)),
        "feed_forward_length": pick((1, 33, 96, 160, 160)),
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "rope.dimension_count": pick((2, 6, 16, 16, 16, 32, 258)),
    }
    vocab = pick((1, 16, 176, 177, 320))
    metadata = gguf_writer.llama_metadata(vocab)
    metadata["tokenizer.ggml.merges"] = 9, (8, gguf_writer.MERGES if vocab > len(gguf_writer.TOKENS) else [])
    metadata["tokenizer.ggml.eos_token_id"] = 4, min(2, vocab - 1)
    metadata |= {f"llama.{name}": (10, size) for name, size in sizes.items()}
    hidden, ffn, head_dim = (
        sizes[name] for name in ("embedding_length", "feed_forward_length", "rope.dimension_count")
    )
    layer = {
        "attn_norm": (hidden,),
        "attn_q": (heads * head_dim, hidden),
        "attn_k": (kv_heads * head_dim, hidden),
        "attn_v": (kv_heads * head_dim, hidden),
        "attn_output": (hidden, heads * head_dim),
        "ffn_norm": (hidden,),
        "ffn_gate": (ffn, hidden),
        "ffn_up": (ffn, hidden),
        "ffn_down": (hidden, ffn),
    }
    shapes = {"token_embd.weight": (vocab, hidden), "output_norm.weight": (hidden,)}
    for i in range(sizes["block_count"]):
        shapes |= {f"blk.{i}.{name}.weight": shape for name, shape in layer.items()}
    whole = all(shape[-1] % 32 == 0 for shape in shapes.values())
    file[0].clear()
    file[1].clear()
    file[0].update(metadata)
    file[1].update(gguf_writer.llama_tensors(shapes, {"*": pick(("Q8_0", "Q4_0"))} if whole else {}))
    return f"the network {sizes} of {vocab} tokens"


MIXED = {"*": "Q8_0", "blk.1.ffn_down.weight": "Q4_0"}
# As often as they stand here: most lies are refused, and the others are to run too.
LIES: tuple[Callable[[File, random.Random], str], ...] = (
    *[other_value] * 2,
    *[size_a_little_off] * 2,
    no_key,
    *[bad_tokenizer] * 2,
    tensor_gone,
    tensors_swapped,
    other_sizes,
    other_type,
    *[bad_numbers] * 4,
    *[other_shape] * 6,
)


def mutant(seed: int) -> tuple[str, bytes]:
    """Return what was done to a file, and the file, made from a seed."""
    if seed == DEADLY:
        return "the deadly one", b""
    random_ = random.Random(seed)
    types = random_.choice(({}, {"*": "Q8_0"}, {"*": "Q8_0"}, {"*": "Q4_0"}, {"*": "Q4_0"}, MIXED))
    file = gguf_writer.llama_metadata(), gguf_writer.llama_tensors(types=types)
    done = [f"{types or 'F32'}"]
    done += [random_.choice(LIES)(file, random_) for _ in range(random_.choice((1, 1, 1, 1, 2)))]
    raw = bytearray(gguf_writer.write(*file))
    if random_.random() < 0.1:
        mutate.damage(raw, random_)
        done.append("damaged bytes")
    return f"{seed}: {'; '.join(done)}", bytes(raw)


def ways(path: Path) -> dict[str, Callable[[], None]]:
    """Return all that is done with a file: each way on its own, so that one's refusal keeps no other from going on."""
    import torch

    from lessons.llm import load, speculative
    from lessons.llm.contiguous import ContiguousCache
    from lessons.llm.drafters import PromptLookup
    from lessons.llm.generate import generate
    from lessons.llm.gguf import GGUF
    from lessons.llm.model import Llama
    from lessons.llm.tokenizer import BPETokenizer
    from lessons.llm.weights import read_weights

    load.find_model = lambda: path

    def read() -> None:
        file = GGUF.open(path)
        for name in file.tensors:
            file.data(name)

    def tokenizer() -> None:
        made = BPETokenizer(GGUF.open(path).metadata)
        ids = [*made.encode("the <|im_end|> "), *made.encode_chat([{"role": "user", "content": "Hi"}])]
        made.decode(ids)
        assert all(0 <= id < made.vocab_size for id in ids)

    def six(llm: load.LLM, ids: tuple[int, ...]) -> None:
        assert 0 < len(ids) <= 6 and all(0 <= id < llm.config.vocab for id in ids)

    def plain() -> None:
        llm = load.load()
        six(llm, generate(llm, "at", 6, stop="zz").token_ids)

    def packed() -> None:
        llm = load.load("packed")
        six(llm, generate(llm, [0, 0], 6, temperature=1.0, top_p=0.9).token_ids)

    def guessed() -> None:
        file = GGUF.open(path)
        weights = read_weights(file)
        llm = load.LLM(weights.config, BPETokenizer(file.metadata), Llama(weights, compiled=False))
        six(llm, speculative.generate(llm, [0, 0], PromptLookup(1, 1), 6, draft_length=1).token_ids)

    def compared() -> None:
        """Compiled code that reads beyond a tensor gives other logits than torch, where it does not crash."""
        weights = read_weights(GGUF.open(path))
        tokens = torch.tensor([0, 0])
        ours, torch_s = (
            Llama(weights, compiled=compiled).forward(tokens, ContiguousCache(weights.config))
            for compiled in (True, False)
        )
        if 1e-6 < weights.config.norm_eps < 1 and torch_s.abs().max() < 1e6:  # and no NaN
            torch.testing.assert_close(ours, torch_s, rtol=0, atol=1e-2 * (1 + float(torch_s.abs().max())))

    parts = read, tokenizer, plain, packed, guessed, compared
    return {part.__name__: part for part in parts}


def attempt(path: Path) -> dict[str, str]:
    """Return what became of each way: "done", "refused: " and the sentence, or what went wrong."""
    from lessons.errors import LessonError

    found = {}
    for name, way in ways(path).items():
        try:
            way()
            found[name] = "done"
        except LessonError as error:
            sentence = str(error).replace(str(path), "PATH")
            good = "\n" not in sentence and 20 < len(sentence) < 500
            found[name] = f"refused: {sentence}" if good else f"no sentence: {sentence[:1000]}"
        except BaseException:
            found[name] = traceback.format_exc(limit=-4)
    return found


def harm(found: dict[str, str]) -> dict[str, str]:
    """Return the ways that neither were done nor ended in a sentence."""
    return {name: end for name, end in found.items() if end != "done" and not end.startswith("refused: ")}


def survey(
    seeds: Iterable[int], folder: Path, workers: int = 2, *options: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """Try the files of some seeds in processes of their own, and yield the name and the ways' ends of each.

    A process that a file kills is replaced, and the way "process" tells how it ended.
    """
    seeds = list(seeds)
    with ThreadPoolExecutor(workers) as pool:
        for found in pool.map(
            lambda i: list(_survey(seeds[i::workers], folder / str(i), options)), range(workers)
        ):
            yield from found


def _survey(seeds: list[int], folder: Path, options: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    folder.mkdir()
    worker = None
    for seed in seeds:
        worker = worker or _start(folder, options)
        print(seed, file=worker.stdin, flush=True)
        timer = Timer(PATIENCE, worker.kill)
        timer.start()
        line = worker.stdout.readline()
        timer.cancel()
        if line:
            yield mutant(seed)[0], json.loads(line)
        else:
            code = worker.wait()
            yield (
                mutant(seed)[0],
                {"process": f"ended with {signal.Signals(-code).name if code < 0 else code}"},
            )
            worker = None
    if worker:
        worker.stdin.close()
        worker.wait()


def _start(folder: Path, options: tuple[str, ...]) -> subprocess.Popen[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder), *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=env)


def limit_memory() -> None:
    """Let this process ask for no more than ``ROOM`` beyond what it has, where the system can say so."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    most = psutil.Process().memory_info().vms + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(folder: Path, *options: str) -> None:
    import torch  # noqa: F401

    from lessons.llm import weights

    limit_memory()
    if "unchecked" in options:
        weights.check = lambda config, file: None
    for line in sys.stdin:
        seed = int(line)
        if seed == DEADLY:
            os.abort()
        path = folder / f"{seed}.gguf"
        path.write_bytes(mutant(seed)[1])
        print(json.dumps(attempt(path)), flush=True)
        with suppress(PermissionError):  # some systems keep a file that is mapped
            path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
