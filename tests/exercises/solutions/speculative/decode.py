"""A solution: draft, verify in one pass, keep the beginning that holds and the model's own token."""


def decode(model, draft, prompt, count, longest):
    tokens, passes = list(prompt), 0
    while (left := len(prompt) + count - len(tokens)) > 0:
        guesses = draft(tokens, min(longest, left - 1))
        best = model([*tokens, *guesses])[len(tokens) - 1 :]
        passes += 1
        kept = 0
        while kept < len(guesses) and guesses[kept] == best[kept]:
            kept += 1
        tokens += [*guesses[:kept], best[kept]]
    return tokens[len(prompt) :], passes
