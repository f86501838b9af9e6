"""What in a passport looks like a mistake and is none: peaks of arithmetic that do not stand as one would expect.

Unlike ``doubts`` these are no signs of a busy machine. They are what a processor or a library does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from lessons.passport.document import Passport, PassportError


class Rule(NamedTuple):
    """Two peaks of one thread, the range in which their ratio is no surprise, and what to say outside of it.

    Attributes:
        upper, lower: keys of the passport.
        least, most: ends of the range.
        below, above: sentences with {ratio}; nothing where that side needs no word.
    """

    upper: str
    lower: str
    least: float
    most: float
    below: str = ""
    above: str = ""


RULES = (
    Rule(
        "cpu.matmul.bfloat16.1",
        "cpu.matmul.float32.1",
        0.5,
        1.5,
        "The bfloat16 product reaches {ratio} of the float32 one, though it moves half the bytes. That is "
        "what torch does where it has no fast bfloat16 path for the processor: it converts the numbers one "
        "by one.",
        "The bfloat16 product reaches {ratio} times the float32 one. That is to be expected of a processor "
        "that multiplies pairs of 16-bit numbers in one instruction or has a matrix unit. The peaks in "
        "registers use neither.",
    ),
    Rule(
        "cpu.flops.int8.1",
        "cpu.flops.float32.1",
        3.0,
        5.0,
        "int8 does {ratio} times the operations of float32, where four products into one sum would make "
        "four. That is what code does without an instruction for such products (VNNI on x86, dot products "
        "on Arm): it widens the bytes first.",
        "int8 does {ratio} times the operations of float32, more than the four of one instruction: this "
        "processor runs more of them at a time than float multiply-adds, or multiplies wider groups of "
        "bytes.",
    ),
    Rule(
        "cpu.flops.float64.1",
        "cpu.flops.float32.1",
        0.45,
        0.55,
        "float64 does {ratio} of the operations of float32, where half as many numbers fit a register. If "
        "another passport gives a half, the machine was busy; if not, this processor has less for float64.",
        "float64 does {ratio} of the operations of float32, where half as many numbers fit a register. If "
        "another passport gives a half, the machine was busy while float32 was measured.",
    ),
    Rule(
        "cpu.matmul.float32.1",
        "cpu.flops.float32.1",
        0.5,
        1.1,
        "torch's float32 product reaches {ratio} of the multiply-adds in registers. It must also load its "
        "operands, and its library may have no kernel for this processor. If another passport gives more, the "
        "machine was busy. Predictions for products take the product's own rate.",
        "torch's float32 product reaches {ratio} times the multiply-adds in registers. Its library uses "
        "wider vectors or a matrix unit that Numba's code does not.",
    ),
)


def oddities(passport: Passport) -> list[str]:
    """Return a sentence for each ratio that surely lies outside of its range.

    Args:
        passport: of this machine; a peak that it lacks is passed over.
    """
    found = []
    for rule in RULES:
        try:
            upper, lower = passport.peak(rule.upper), passport.peak(rule.lower)
        except PassportError:
            continue
        ratio = replace(upper, unit=lower.unit).ratio(lower)  # integers are counted in OP/s
        sentence = rule.below if ratio.high < rule.least else rule.above if ratio.low > rule.most else ""
        if sentence:
            found.append(sentence.format(ratio=f"{ratio.value:.2g}"))
    return found
