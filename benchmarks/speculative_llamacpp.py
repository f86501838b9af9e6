"""Our decoding with prompt lookup against llama.cpp's plain decoding, on the published input-grounded prompts.

The same file, greedy, int8 activations on both sides, each with its best number of threads. The prompts' prefill is
outside the time of both. Each side's answers are as long as it writes them; what is compared is tokens a second.
"""

from __future__ import annotations

import answers
import llamacpp
import sides

from lessons.llm.load import load


def make(side: str, threads: int):
    """Return a function that writes all answers, and how many tokens they have."""
    llm = load("packed", activations="int8")
    asked = answers.token_ids(llm, "grounded")
    run = ours(llm, asked) if side == "ours" else peer(threads, asked, llm.tokenizer.stop_ids)
    return run, run()


def ours(llm, asked):
    curve = answers.verification_curve(llm)
    length = answers.draft_length(curve)
    started = [(tokens, answers.prefill(llm, tokens)) for tokens in asked]
    return lambda: sum(answers.answer(llm, *s, answers.lookup(curve), length) for s in started)


def peer(threads, asked, stop_ids):
    # One context a prompt: each then finds its prompt in its own cache and computes the last token only.
    models = [llamacpp.load(threads) for _ in asked]

    def run() -> int:
        written = 0
        for model, tokens in zip(models, asked):
            written += len(llamacpp.decode(model, tokens, answers.TOKENS, stop_ids, fresh=False))
        return written

    return run


if __name__ == "__main__":
    sides.main(make, bar=4.0, processes=1)
