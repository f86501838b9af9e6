"""Prompts of a wanted length for a server whose tokenizer is unknown: everyday English words in random order.

Such a word is one token in nearly every vocabulary, with the space before it, so that a prompt of n words has about n
tokens wherever they are drawn. What is left of the difference is measured, see ``Words``. A text cut from a book would
be denser in one place than in another.

Every prompt begins with words that number it and goes on at random, so that no server can answer from the cache of an
earlier one. Nor does a server that guesses tokens find anything here to guess from; send it a trace of real prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lessons.serving.request import Request

Prompt = str | list[int]

VOCABULARY = """
about above add after again air all almost along also always and animal another answer any are around ask away
back because been before begin below between big book both but call came can car change children city close
come could country cut day did different does down each earth eat end enough even every example eye face far
father feet few find first follow food for form found four from get give good got great group grow had hand
hard has have head help her here high him his home house how idea important into its just keep kind know land
large last late learn left let letter life light like line list little live long look made make man many may
mean men might mile miss more most mother move much must name near need never new next night not now number
off often old once one only open other our out over own page paper part people picture place plant play point
put read real right river run said same say school sea second see sentence set she should show side small some
something sometimes song soon sound start state still stop story study such take talk tell than that the their
them then there these they thing think this those thought three through time together too tree try turn two
under until use very walk want was watch water way well went were what when where which while who why will
with without word work world would write year you young your
"""
WORDS = VOCABULARY.split()
NUMBERED = 3  # words that number a prompt: with 256 there are 16 million numbers
PLAUSIBLE = (0.2, 20.0)  # tokens of a word of five letters, from whole phrases to less than single bytes


@dataclass(frozen=True)
class Words:
    """How a server counts: a prompt of n words has ``extra + n * tokens`` tokens.

    Attributes:
        tokens: of a word. 1 where the server does not tell, or tells what cannot be.
        extra: of every prompt, such as a mark for its beginning.
    """

    tokens: float = 1.0
    extra: float = 0.0

    @classmethod
    def counted(cls, one: int, all_of_them: int) -> Words:
        """Return what follows from two counts.

        Args:
            one: tokens of the prompt ``WORDS[0]``.
            all_of_them: tokens of the prompt of all ``WORDS``, which is their mean and no sample.
        """
        tokens = (all_of_them - one) / (len(WORDS) - 1)
        if not PLAUSIBLE[0] <= tokens <= PLAUSIBLE[1]:
            return cls()
        return cls(tokens, one - tokens)

    def needed(self, tokens: int) -> int:
        """Return how many words make a prompt of so many tokens; 1 at least."""
        return max(1, round((tokens - self.extra) / self.tokens))


class Prompts:
    """Makes the prompt of a request; the same on every Python.

    Args:
        words: how the server counts them.
        seed: of the words.
    """

    def __init__(self, words: Words, seed: int) -> None:
        self.words, self.seed = words, seed
        self._first = int(Random(f"{seed}").random() * len(WORDS) ** NUMBERED)

    def __call__(self, request: Request) -> Prompt:
        """Return the request's own tokens where a trace has them, else text of about as many tokens."""
        if request.prompt_ids is not None:
            return list(request.prompt_ids)
        number = self._first + request.id
        at = [number // len(WORDS) ** place % len(WORDS) for place in range(NUMBERED)]
        draw = Random(
            f"{self.seed} {request.id}"
        ).random  # of all its methods this one is promised never to change
        count = self.words.needed(request.prompt_tokens)
        at += [int(draw() * len(WORDS)) for _ in range(count - NUMBERED)]
        return " ".join(WORDS[i] for i in at[:count])
