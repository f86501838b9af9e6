"""Wrong: the last drafts are not shortened, so that more is written than was asked for."""


def decode(model, draft, prompt, count, longest):
    tokens, passes = list(prompt), 0
    while len(tokens) < len(prompt) + count:
        guesses = draft(tokens, longest)
        best = model([*tokens, *guesses])[len(tokens) - 1 :]
        passes += 1
        kept = 0
        while kept < len(guesses) and guesses[kept] == best[kept]:
            kept += 1
        tokens += [*guesses[:kept], best[kept]]
    return tokens[len(prompt) :], passes
