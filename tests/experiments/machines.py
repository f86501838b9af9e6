"""Six canned machines: passports of computers that are not this one. The figures are made up, the keys are real."""

from lessons.passport import Passport
from lessons.units import GiB, KiB, MiB, Quantity

LEVELS = {"l1": (32 * KiB, 200e9, 1.2e-9), "l2": (1 * MiB, 80e9, 4e-9), "l3": (32 * MiB, 40e9, 15e-9)}
MEMORY = (20e9, 90e-9)  # of one thread


def machine(name, cores=8, levels=("l1", "l2", "l3"), nodes=1, gpus=()):
    """Return the passport of a machine with these caches, and all peaks that would be measured there."""
    peaks = {}

    def add(key, value, unit):
        peaks[key] = Quantity(value, unit, 0.97 * value, 1.03 * value, 15)

    rows = {level: LEVELS[level][1:] for level in levels} | {"dram": MEMORY}
    for threads in sorted({1, cores}):
        for level, (rate, _) in rows.items():
            more = threads if level != "dram" else min(threads, 4)
            for kind, share in (("read", 1.0), ("copy", 0.9), ("triad", 0.85)):
                add(f"cpu.bandwidth.{kind}.{level}.{threads}", rate * share * more, "B/s")
        for kind in ("copy_nt", "triad_nt"):
            add(f"cpu.bandwidth.{kind}.dram.{threads}", 1.2 * MEMORY[0] * min(threads, 4), "B/s")
        for dtype, rate in (("float32", 100e9), ("float64", 50e9)):
            add(f"cpu.flops.{dtype}.{threads}", rate * threads, "FLOP/s")
        add(f"cpu.flops.int8.{threads}", 300e9 * threads, "OP/s")
        for dtype in ("float32", "bfloat16"):
            add(f"cpu.matmul.{dtype}.{threads}", 80e9 * threads, "FLOP/s")
    for level, (_, seconds) in rows.items():
        add(f"cpu.latency.{level}", seconds, "s")
    for cost, seconds in (("call", 2e-7), ("launch", 4e-6), ("page_fault", 3e-7)):
        add(f"cpu.cost.{cost}", seconds, "s")
    for product, rate, unit in (("int8", 200e9, "OP/s"), ("float32", 70e9, "FLOP/s")):
        add(f"cpu.product.packed.{product}", rate, unit)
    add("cpu.product.float32.float32", 60e9, "FLOP/s")
    add("cpu.product.row_end", 2e-8, "s")
    add("cpu.gather.dram", 11e9, "B/s")
    add("page_cache.read", 6e9, "B/s")
    add("disk.read", 1e9, "B/s")
    if gpus:
        for level, rate in (("l2", 6e12), ("dram", 2.8e12)):
            for kind in ("read", "copy", "triad"):
                add(f"cuda.bandwidth.{kind}.{level}", rate, "B/s")
            add(f"cuda.latency.{level}", 3e-7, "s")
        for dtype, rate in (("float32", 55e12), ("float64", 28e12)):
            add(f"cuda.flops.{dtype}", rate, "FLOP/s")
        for dtype, rate in (("float32", 50e12), ("float16", 700e12), ("bfloat16", 700e12)):
            add(f"cuda.matmul.{dtype}", rate, "FLOP/s")
        for direction in ("h2d", "d2h"):
            for kind, rate in (("pinned", 50e9), ("pageable", 12e9)):
                add(f"cuda.transfer.{direction}.{kind}", rate, "B/s")
        add("cuda.cost.launch", 5e-6, "s")
    caches = [
        {"level": level, "bytes": LEVELS[level][0], "line": 64, "cores": cores if level == "l3" else 1}
        for level in levels
    ]
    each = cores // nodes or 1
    return Passport(
        machine={
            "cpu": name, "architecture": "x86_64", "system": "Linux", "cores": cores, "memory": 32 * GiB,
            "caches": caches, "gpus": list(gpus),
            "nodes": [
                {
                    "id": i, "cpus": list(range(i * each, (i + 1) * each)), "bytes": 16 * GiB,
                    "distances": [10 if i == j else 21 for j in range(nodes)],
                }
                for i in range(nodes)
            ],
        },
        fingerprint=name, date="2026-01-02", versions={}, peaks=peaks,
        sizes={f"cpu.{level}": LEVELS[level][0] // 2 for level in levels} | {"cpu.dram": 128 * MiB},
    )  # fmt: skip


MACHINES = [
    machine("laptop"),
    machine("no cache sizes, as on macOS and Windows", levels=()),
    machine("one core", cores=1),
    machine("64 cores with a quota of two", cores=2),
    machine("two sockets", cores=64, nodes=2),
    machine("GPU box", cores=16, gpus=("NVIDIA H100",)),
]
