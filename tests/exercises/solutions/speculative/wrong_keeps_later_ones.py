"""Wrong: a guess after a refused one is kept where it happens to agree."""


def decode(model, draft, prompt, count, longest):
    tokens, passes = list(prompt), 0
    while (left := len(prompt) + count - len(tokens)) > 0:
        guesses = draft(tokens, min(longest, left - 1))
        best = model([*tokens, *guesses])[len(tokens) - 1 :]
        passes += 1
        tokens += [best[i] for i in range(len(guesses)) if guesses[i] == best[i]] + [best[-1]]
    return tokens[len(prompt) :], passes
