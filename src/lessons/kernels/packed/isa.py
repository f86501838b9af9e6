"""The instruction sets that the packed kernels know, and the choice among them."""

from __future__ import annotations

from dataclasses import dataclass

from lessons.kernels.tools import simd


@dataclass(frozen=True)
class Isa:
    """An instruction set.

    Attributes:
        name: for messages and for ``find``.
        lanes: rows of a tile that one vector holds: 16, 8 or 4.
        features: what the target must have.
    """

    name: str
    lanes: int
    features: frozenset[str] = frozenset()

    def available(self) -> bool:
        """Tell whether Numba's target has it."""
        return self.features <= simd.target_features()


AVX512_VNNI = Isa("avx512vnni", 16, frozenset({"avx512f", "avx512bw", "avx512vnni"}))
AVX512 = Isa("avx512", 16, frozenset({"avx512f", "avx512bw"}))
AVX_VNNI = Isa("avxvnni", 8, frozenset({"avx2", "fma", "avxvnni"}))
AVX2 = Isa("avx2", 8, frozenset({"avx2", "fma"}))
PLAIN = Isa("plain", 4)  # LLVM's own vectors of 16 bytes, which every target has


def choose(known: tuple[Isa, ...], name: str | None = None) -> Isa:
    """Return the first of ``known`` that the target has, or the one called ``name``."""
    return next(isa for isa in known if (isa.name == name if name else isa.available()))
