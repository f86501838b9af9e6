"""The shape of each table's entries. A field that is None was not published, or not in a source good enough."""

from __future__ import annotations

from dataclasses import dataclass

MARKS = ("primary", "two secondary", "one secondary")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What every entry says of itself.

    Attributes:
        key: its name in the table.
        name: its name in prose.
        source: keys of the bibliography, or addresses.
        date: the day, month or year of the source's state, ISO 8601.
        mark: "primary" (the maker's own text was read), "two secondary" (two sources that agree) or
            "one secondary".
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
    """One SKU: the form factor is part of the name, since it changes power, clocks and memory.

    Attributes:
        form: "SXM", "PCIe", ...
        memory: memory type.
        memory_bytes: usable capacity in bytes, as published.
        bandwidth: memory bandwidth in B/s, as published.
        pins: width of the memory interface in bits.
        pin_rate: transfers a second on each pin.
        bf16, fp8, int8, fp4, tf32: dense matrix rates in FLOP/s (integer operations for int8), accumulating
            in 32 bits.
        fp32: rate of the ordinary cores in FLOP/s.
        bf16_sparse, fp8_sparse, int8_sparse, fp4_sparse: with 2:4 sparsity.
        l2_bytes: last-level cache that all cores share on chip.
        cores: SMs of an NVIDIA part, compute units of an AMD part.
        shared_bytes: the most shared memory of a core.
        link: its fabric between accelerators.
        link_bandwidth: B/s of that fabric, each way.
        power: W.
    """

    form: str
    memory: str
    memory_bytes: float
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
    fp32: float | None = None
    l2_bytes: float | None = None
    cores: int | None = None
    shared_bytes: float | None = None
    link: str | None = None
    link_bandwidth: float | None = None
    power: float | None = None


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
        both_ways: B/s of both directions together, the number in headlines.
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
    parameters: int
    tied: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    positions: int = 0
    experts: int = 1
    active_experts: int = 1


@dataclass(frozen=True, kw_only=True)
class Price(Entry):
    """One dated price.

    Attributes:
        accelerator: key of the accelerator.
        provider: who asks it.
        dollars_per_hour: US dollars per accelerator and hour, on demand.
    """

    accelerator: str
    provider: str
    dollars_per_hour: float
