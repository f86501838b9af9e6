"""Wrong: the model's own token after the kept guesses is thrown away, unless nothing was kept."""


def decode(model, draft, prompt, count, longest):
    tokens, passes = list(prompt), 0
    while (left := len(prompt) + count - len(tokens)) > 0:
        guesses = draft(tokens, min(longest, left - 1))
        best = model([*tokens, *guesses])[len(tokens) - 1 :]
        passes += 1
        kept = 0
        while kept < len(guesses) and guesses[kept] == best[kept]:
            kept += 1
        tokens += guesses[:kept] or best[:1]
    return tokens[len(prompt) :], passes
