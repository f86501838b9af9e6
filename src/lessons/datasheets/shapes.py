"""The shape of each table's entries. A field that is None was not published, or not in a source good enough.

What a part does not have is said, not left out: see ``Accelerator.lacks``.
"""

from __future__ import annotations

from dataclasses import dataclass

MARKS = ("primary", "two secondary", "one secondary")
MATRIX_FORMATS = ("int8", "fp8", "fp4")  # beside the 16-bit ones that every part multiplies
CHASES = ("steady chase", "pointer chase", "first loads")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What every entry says of itself.

    Attributes:
        key: its name in the table.
        name: its name in prose.
        source: keys of the bibliography, or addresses.
        date: the day, month or year of the source's state, ISO 8601.
        mark: "primary" (the maker's own text was read, and stands among the sources), "two secondary" (at least two
            sources, which agree) or "one secondary".
        weak: fields of this entry that rest on one secondary source although the entry does not.
        note: what a reader should know before quoting it.
    """

    key: str
    name: str
    source: tuple[str, ...]
    date: str
    mark: str
    weak: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Accelerator(Entry):
    """One SKU: form factor, and memory where a part comes with two, stand in the name.

    Attributes:
        form: "SXM", "PCIe", ...
        memory: memory type.
        memory_printed: the capacity as the maker prints it, in bytes, its GB read as 10^9 (and GiB as 2^30). Most
            makers' GB are really GiB, or near it.
        memory_reported: the capacity that a device reports of itself, in bytes: the total of nvidia-smi where it was
            found, else a device property, which leaves out what the driver keeps (up to a hundredth).
        bandwidth: memory bandwidth in B/s, as published.
        pins: width of the memory interface in bits.
        pin_rate: transfers a second on each pin.
        bf16, fp8, int8, fp4, tf32: dense matrix rates in FLOP/s (integer operations for int8), accumulating
            in 32 bits.
        bf16_sparse, fp8_sparse, int8_sparse, fp4_sparse: with 2:4 sparsity.
        fp32_matrix: dense rate of the matrix units in FLOP/s, where they take float32.
        lacks: those of int8, fp8 and fp4 for which there is no matrix unit. A rate that is None and not listed here
            was not published.
        fp32: rate of the ordinary cores in FLOP/s, without the matrix units.
        cores: SMs of an NVIDIA part, compute units of an AMD part.
        l2_bytes: one L2 cache, in bytes; all cores on its die share it.
        l2_count: how many of those caches the part has. Dies that keep one L2 between them count once.
        l3_bytes: a cache behind the L2 that all cores share (AMD's Infinity Cache), in bytes.
        shared_bytes: the most shared memory of a core.
        link: its fabric between accelerators.
        link_bandwidth: B/s of that fabric, each way.
        power: W.
        readings: where a device's own properties were read: memory_reported, cores, l2_bytes.
    """

    form: str
    memory: str
    memory_printed: float
    memory_reported: float | None = None
    bandwidth: float
    pins: int | None = None
    pin_rate: float | None = None
    bf16: float | None = None
    bf16_sparse: float | None = None
    fp8: float | None = None
    fp8_sparse: float | None = None
    int8: float | None = None
    int8_sparse: float | None = None
    fp4: float | None = None
    fp4_sparse: float | None = None
    tf32: float | None = None
    fp32_matrix: float | None = None
    lacks: tuple[str, ...] = ()
    fp32: float | None = None
    cores: int | None = None
    l2_bytes: int | None = None
    l2_count: int = 1
    l3_bytes: int | None = None
    shared_bytes: int | None = None
    link: str | None = None
    link_bandwidth: float | None = None
    power: float | None = None
    readings: tuple[str, ...] = ()

    @property
    def memory_bytes(self) -> float:
        """Bytes to plan with: what a device reports or, where nobody's reading was found, what is printed.

        The second is the cautious one: no device of the table reports less than its maker's GB read as 10^9.
        """
        return self.memory_reported or self.memory_printed


@dataclass(frozen=True, kw_only=True)
class Multiprocessor(Entry):
    """What one SM holds and moves, by compute capability: the same on each card of that capability.

    Attributes:
        capability: of CUDA, such as "9.0".
        cards: keys of accelerators that have it.
        l1_bytes: the array that the L1 cache and the shared memory divide between them. How much of it can be shared
            memory is the ``shared_bytes`` of the accelerator.
        tensor_bytes: tensor memory; None where there is none.
        l1_rate: the most that L1 or shared memory delivers, in bytes per clock: 32 banks of 4 bytes.
        lanes: fused multiply-adds in float32 per clock.
        matrix_rate: FLOP per clock of its matrix units in 16 bits, dense, accumulating in 32 bits.
    """

    capability: str
    cards: tuple[str, ...]
    l1_bytes: int
    tensor_bytes: int | None = None
    l1_rate: int
    lanes: int
    matrix_rate: int


@dataclass(frozen=True, kw_only=True)
class GpuLevels(Entry):
    """What one tool measured of the memory levels of one GPU. Latencies are in cycles of the core's clock.

    Attributes:
        multiprocessor: key of its kind of SM.
        device: the GPU that it ran on, in words.
        cards: keys of the accelerators that this may have been; empty where the table has none like it.
        tool: whose program it was.
        method: "steady chase": each line once, in random order, round after round, so that caches and TLBs are as warm
            as they get. "first loads": the mean of the first loads through a buffer, with their TLB misses. "pointer
            chase": a chase whose order the source does not tell.
        clock: Hz of the core meanwhile; None where it was not held or not told.
        shared, l1: cycles of a load from shared memory, and of a hit in L1.
        l2: cycles of a hit in L2; in the nearer of two partitions, where the tool tells them apart.
        l2_far: cycles of a hit in the other partition.
        memory: cycles of a load from device memory.
        l2_read, memory_read: B/s of all SMs that read together.
    """

    multiprocessor: str
    device: str
    cards: tuple[str, ...] = ()
    tool: str
    method: str
    clock: float | None = None
    shared: float | None = None
    l1: float | None = None
    l2: float | None = None
    l2_far: float | None = None
    memory: float | None = None
    l2_read: float | None = None
    memory_read: float | None = None


@dataclass(frozen=True, kw_only=True)
class Memory(Entry):
    """One kind of memory at one speed.

    Attributes:
        per: what the bandwidth belongs to: "channel", "stack", "device" or "64 bits".
        pins: data bits of that unit.
        pin_rate: transfers a second on each pin.
        bandwidth: B/s of that unit.
        energy_per_bit: joules, where published.
        energy_scope: what that energy includes.
    """

    per: str
    pins: int
    pin_rate: float
    bandwidth: float
    energy_per_bit: float | None = None
    energy_scope: str = ""


@dataclass(frozen=True, kw_only=True)
class Link(Entry):
    """One interconnect at one width.

    Attributes:
        lanes: lanes or links.
        lane_rate: B/s of one lane or link each way, after line code.
        bandwidth: B/s each way, all lanes, after line code.
        both_ways: B/s of both directions together, after line code too: the headline number of NVLink, and a little
            below that of PCI Express, which is printed before line code.
    """

    lanes: int
    lane_rate: float
    bandwidth: float
    both_ways: float


@dataclass(frozen=True, kw_only=True)
class Model(Entry):
    """One published model configuration.

    Attributes:
        family: "llama" (RMSNorm, gated feed-forward) or "gpt" (LayerNorm, biases, learned positions).
        layers, hidden, heads, kv_heads, head_dim, ffn: its shape; ffn is that of one expert.
        vocab: stored rows of the embedding.
        context: the longest sequence in tokens.
        window: how many tokens attention looks back in every layer, itself included; None for all of them. The KV
            cache need not hold more.
        parameters: its published count.
        tied: whether the output head is the embedding.
        qkv_bias, qk_norm: biases on q, k, v; normalisation of q and k per head.
        positions: stored rows of a learned position embedding.
        experts: feed-forward experts a layer; active_experts of them per token.
    """

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    window: int | None = None
    parameters: int
    tied: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    positions: int = 0
    experts: int = 1
    active_experts: int = 1


@dataclass(frozen=True, kw_only=True)
class Price(Entry):
    """One dated price, on demand.

    Attributes:
        accelerator: key of the accelerator.
        provider: who asks it.
        gpus: accelerators of the offer. Above 1 the price is one accelerator's share of a node that is rented whole.
        instance: the provider's name of that machine, where known.
        region: the region of the price, where the source names one.
        dollars_per_hour: US dollars per accelerator and hour.
    """

    accelerator: str
    provider: str
    gpus: int
    instance: str = ""
    region: str = ""
    dollars_per_hour: float

    @property
    def form(self) -> str:
        """What is rented: "a single GPU" or "a GPU of 8"."""
        return "a single GPU" if self.gpus == 1 else f"a GPU of {self.gpus}"


@dataclass(frozen=True, kw_only=True)
class GpuLimits(Entry):
    """What a streaming multiprocessor of one compute capability holds at once.

    Attributes:
        capability: "9.0".
        warps: resident warps of 32 threads.
        blocks: resident blocks.
        threads_per_block: the most threads of a block.
        registers: registers of 32 bits, of all partitions together; also the most that a block may take.
        registers_per_thread: the most that a program may name.
        register_unit: registers that a warp is given at a time.
        partitions: parts of the multiprocessor with registers of their own; a warp lives in one of them.
        shared_bytes: shared memory of all resident blocks together, at most, ``shared_reserved`` of each included.
        shared_reserved: bytes of each block that the driver keeps for itself.
        shared_unit: bytes that a block is given at a time.
        carveouts: sizes to which the shared part of the unified data cache can be set, in bytes, ascending.
    """

    capability: str
    warps: int
    blocks: int
    threads_per_block: int
    registers: int
    registers_per_thread: int
    register_unit: int
    partitions: int
    shared_bytes: int
    shared_reserved: int
    shared_unit: int
    carveouts: tuple[int, ...]

    @property
    def shared_per_block(self) -> int:
        """The most shared memory that one block can ask for, in bytes."""
        return self.shared_bytes - self.shared_reserved
