"""Which accelerator for which phase: what a dollar buys, from data sheets and dated prices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lessons import datasheets
from lessons.experiments import text
from lessons.units import format_value

if TYPE_CHECKING:
    from lessons.datasheets import Accelerator, Price
    from lessons.figures import Picture

HOUR = 3600  # seconds


class Offer(NamedTuple):
    """An accelerator at one of its prices in the table.

    Attributes:
        card: its data sheet.
        price: that price, with its provider, form and date.
    """

    card: Accelerator
    price: Price

    @property
    def bytes_per_dollar(self) -> float:
        """Bytes that the memory can deliver for a dollar: what decoding buys."""
        return self.card.bandwidth * HOUR / self.price.dollars_per_hour

    @property
    def flop_per_dollar(self) -> float:
        """FLOP in bfloat16, dense, for a dollar: what training and prefill buy."""
        return (self.card.bf16 or math.nan) * HOUR / self.price.dollars_per_hour

    def cards_for(self, needed: float, share: float = 0.9) -> int:
        """Return how many of them hold ``needed`` bytes when ``share`` of each memory may be used."""
        return math.ceil(needed / (share * self.card.memory_bytes))

    def rented_for(self, needed: float) -> int:
        """Return how many of them must be rented to have those: a node is rented whole."""
        return math.ceil(self.cards_for(needed) / self.price.gpus) * self.price.gpus

    def dollars_per_hour(self, needed: float) -> float:
        """Return what an hour of them all costs."""
        return self.rented_for(needed) * self.price.dollars_per_hour


def offers(needed: float = 0) -> list[Offer]:
    """Return the cheapest offer of each accelerator that has a price, the most bytes per dollar first.

    Args:
        needed: bytes that the rented ones must hold together; the whole rent decides. With 0 the price of a single
            accelerator decides, be it a share of a node.
    """
    cheapest: dict[str, Offer] = {}

    def cost(offer: Offer) -> tuple[float, float, int]:
        price = offer.price
        return offer.dollars_per_hour(needed), price.dollars_per_hour, price.gpus

    for price in datasheets.table("prices").values():
        offer = Offer(datasheets.accelerator(price.accelerator), price)
        known = cheapest.get(price.accelerator)
        if known is None or cost(offer) < cost(known):
            cheapest[price.accelerator] = offer
    return sorted(cheapest.values(), key=lambda offer: -offer.bytes_per_dollar)


def picture() -> Picture:
    """Return two charts: bytes from memory and bfloat16 FLOP that a dollar buys, offer by offer."""
    from lessons import figures

    found = offers()
    names = [offer.card.name.removeprefix("NVIDIA ") for offer in found]
    figure, (left, right) = figures.new(panels=(1, 2))
    with figures.style():
        for ax, title, unit, values in (
            (left, "decoding", "B", [o.bytes_per_dollar for o in found]),
            (right, "training, prefill", "FLOP", [o.flop_per_dollar for o in found]),
        ):
            figures.published(ax, values, names, "published: data sheets and prices")
            ax.invert_yaxis()
            ax.set_title(title)
            ax.set_xlabel(f"{'bytes' if unit == 'B' else unit} per dollar")
            figures.rate_axis(ax.xaxis, unit)
        right.tick_params(axis="y", labelleft=False)
        figures.key(figure)
    best = max(found, key=lambda offer: offer.flop_per_dollar)
    facts = {
        "count": len(found),
        "first": names[0],
        "bytes": format_value(found[0].bytes_per_dollar, "B"),
        "last": names[-1],
        "best": best.card.name.removeprefix("NVIDIA "),
        "flop": format_value(best.flop_per_dollar, "FLOP"),
    }
    said = text.sections(text.FOLDER / "inference_vs_training" / "text.md")["cards"]
    return figures.render(
        figure, text.fill(" ".join(said["alt"].split()), facts), "inference_vs_training.cards"
    )
