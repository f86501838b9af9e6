"""The formats of packed weights: 32 weights in a row share a float16 scale, and some a float16 minimum.

===== ================================== ==========================================
name  a weight is                        bits a weight, scales and minima included
===== ================================== ==========================================
Q4_1  scale * code + minimum, 0 to 15    5
Q4_0  scale * (code - 8), 0 to 15        4.5
NF4   scale * book[code], 0 to 15        4.5
Q8_0  scale * code, -128 to 127          8.5
===== ================================== ==========================================

Source:
    Q4_0, Q4_1, Q8_0: github.com/ggml-org/ggml, src/ggml-common.h. NF4: Dettmers et al. 2023, QLoRA
    (arXiv:2305.14314), appendix E: the 16 quantiles of a normal distribution, one of them 0. QLoRA shares a scale
    among 64 weights; here 32 do, as in the other formats.
"""

from __future__ import annotations

from dataclasses import dataclass

from lessons.kernels.tools.product import TILE

BLOCK = 32  # weights of one row that share a scale

NF4_BOOK = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


@dataclass(frozen=True)
class Format:
    """How a weight is stored.

    Attributes:
        name: as ggml or the paper calls it.
        bits: of one code, 4 or 8.
        minimum: each block has a minimum as well as a scale.
        book: what the 16 codes stand for, when that is not a straight line.
    """

    name: str
    bits: int
    minimum: bool = False
    book: tuple[float, ...] | None = None

    @property
    def words(self) -> int:
        """32-bit words of codes that a row has in one block."""
        return BLOCK * self.bits // 32

    @property
    def scales_at(self) -> int:
        """Bytes from the start of a tile's block to its scales; the minima follow 32 bytes later."""
        return TILE * BLOCK * self.bits // 8

    @property
    def block_bytes(self) -> int:
        """Bytes of one block of a tile: codes, scales and minima of 16 rows by 32 columns."""
        return self.scales_at + 2 * TILE * (1 + self.minimum)

    @property
    def centre(self) -> int:
        """The stored code in the middle of the range: it stands for 0 where there is neither minimum nor book."""
        return 1 << (self.bits - 1)


FORMATS = {
    format.name: format
    for format in (
        Format("Q4_1", 4, minimum=True),
        Format("Q4_0", 4),
        Format("NF4", 4, book=NF4_BOOK),
        Format("Q8_0", 8),
    )
}


def find(name: str) -> Format:
    """Return the format called ``name``.

    Raises:
        ValueError: when there is none.
    """
    if name not in FORMATS:
        raise ValueError(f"no packed format {name!r}; use one of {', '.join(FORMATS)}")
    return FORMATS[name]
