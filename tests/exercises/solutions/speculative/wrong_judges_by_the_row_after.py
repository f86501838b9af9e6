"""Wrong: guess i is judged by the row that already knows it."""


def decode(model, draft, prompt, count, longest):
    tokens, passes = list(prompt), 0
    while (left := len(prompt) + count - len(tokens)) > 0:
        guesses = draft(tokens, min(longest, left - 1))
        best = model([*tokens, *guesses])[len(tokens) :] or model(tokens)[-1:]
        passes += 1
        kept = 0
        while kept < len(guesses) - 1 and guesses[kept] == best[kept]:
            kept += 1
        tokens += [*guesses[:kept], best[kept]]
    return tokens[len(prompt) :], passes
