"""Open thousands of damaged GGUF files and print what happened, as one JSON object.

A program of its own, so that the memory it used can be read when it ends: ``python mutate.py FOLDER REAL_FILE``.
"""

import json
import random
import resource
import struct
import sys
import tracemalloc
from pathlib import Path
from time import perf_counter

import gguf_writer

from lessons.llm.gguf import GGUF, GGUFError

SMALL, REAL = 9_900, 100
HUGE = (0, 1, 0xFF, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def damage(raw: bytearray, random_: random.Random) -> None:
    """Damage a file's bytes in one to three places."""
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(max(1, len(raw) - 8))
        match random_.randrange(7):
            case 0:  # flip a bit
                raw[at] ^= 1 << random_.randrange(8)
            case 1:  # cut the end off
                del raw[random_.randrange(len(raw)) + 1 :]
            case 2:  # replace a length, count, size or offset
                raw[at : at + 8] = struct.pack("<Q", random_.choice(HUGE))
            case 3:  # replace a type id
                raw[at : at + 4] = struct.pack("<I", random_.randrange(16))
            case 4:  # replace one of the header's counts
                place = random_.choice((8, 16))
                raw[place : place + 8] = struct.pack("<Q", random_.choice(HUGE))
            case 5:  # insert bytes
                raw[at:at] = random_.randbytes(random_.randint(1, 16))
            case 6:  # blank a stretch
                raw[at : at + 32] = bytes(len(raw[at : at + 32]))


def attempt(path: Path) -> tuple[str, float, str]:
    """Open one file and read all its tensors' bytes; return how that ended, its seconds, and the message."""
    began = perf_counter()
    try:
        file = GGUF.open(path)
        for name in file.tensors:
            file.data(name)
        outcome, message = "loads", ""
    except GGUFError as error:
        outcome, message = "error", str(error)
    return outcome, perf_counter() - began, message


def main(folder: Path, real: Path) -> None:
    outcomes = {"loads": 0, "error": 0}
    slowest, shortest = 0.0, 1 << 30
    path = folder / "damaged.gguf"
    small = gguf_writer.small()

    def note(result: tuple[str, float, str]) -> None:
        nonlocal slowest, shortest
        outcome, seconds, message = result
        outcomes[outcome] += 1
        slowest = max(slowest, seconds)
        if outcome == "error":
            shortest = min(shortest, len(message.removeprefix(str(path))))

    tracemalloc.start()
    for seed in range(SMALL):
        raw = bytearray(small)
        damage(raw, random.Random(seed))
        path.write_bytes(raw)
        note(attempt(path))
    peak_small = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()  # it slows the real header's 100,000 strings down several times over

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = real.stat().st_size
    with real.open("rb") as file:
        header = file.read(GGUF.open(real).tensors["token_embd.weight"].offset)
    for seed in range(REAL):
        raw = bytearray(header)
        damage(raw, random.Random(SMALL + seed))
        with path.open("wb") as file:
            file.write(raw)
            file.truncate(
                max(len(raw), size + len(raw) - len(header))
            )  # zeros for the tensors, on no disk block
        note(attempt(path))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        json.dumps(
            {
                **outcomes,
                "slowest": slowest,
                "shortest_message": shortest,
                "peak_small": peak_small,
                "grown_real": grown,
                "real_bytes": size,
                "small_bytes": len(small),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
