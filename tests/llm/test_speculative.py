"""Speculation changes the speed and nothing else: greedy tokens equal, sampled tokens of the same distribution."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from lessons.llm import drafters, prompts, speculative
from lessons.llm.drafters import Allowance, Draft, ModelDrafter, PromptLookup, common_prefix, last_match
from lessons.llm.load import load
from lessons.llm.sampling import Chance, SamplingParams, probabilities
from lessons.llm.speculative import decode, verify

GREEDY, SAMPLED = SamplingParams(), SamplingParams(temperature=1.0)


class Enumerated(Chance):
    """Answers from a script; questions beyond it take their first answer. Its weight is the path's probability."""

    def __init__(self, script):
        super().__init__()
        self.script, self.asked, self.weight = script, [], 1.0

    def _answer(self, weights):
        place = len(self.asked)
        choice = self.script[place] if place < len(self.script) else 0
        self.asked.append(len(weights))
        self.weight *= weights[choice]
        return choice

    def happens(self, probability):
        kept = min(1.0, probability)
        return self._answer([kept, 1 - kept]) == 0

    def draw(self, probs):
        return self._answer(probs.tolist())


def every_outcome(run):
    """Run ``run(chance)`` once for each possible course of chance; return {result: probability}."""
    found, script = {}, []
    while True:
        chance = Enumerated(script)
        result = run(chance)
        found[result] = found.get(result, 0.0) + chance.weight
        script = (script + [0] * len(chance.asked))[: len(chance.asked)]
        while script and script[-1] + 1 == chance.asked[len(script) - 1]:
            script.pop()
        if not script:
            return found
        script[-1] += 1


def rows(seed, n, vocab):
    return torch.softmax(
        2 * torch.randn(n, vocab, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), -1
    )


def speculate(p, q, drafted, chance, check=verify):
    """Draft from ``q`` and verify against ``p``, both of one position and independent of what stands before."""
    guesses = tuple(chance.draw(row) for row in q) if drafted else (1,) * len(q)
    accepted, token = check(Draft(guesses, q if drafted else None), p, chance)
    return (*guesses[:accepted], token)


@pytest.mark.parametrize("vocab, length", [(2, 1), (5, 1), (8, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("drafted", [True, False])
def test_every_emitted_token_has_exactly_the_target_distribution(vocab, length, drafted):
    p, q = rows(1, length + 1, vocab), rows(2, length, vocab)
    outcomes = every_outcome(lambda chance: speculate(p, q, drafted, chance))
    assert sum(outcomes.values()) == pytest.approx(1, abs=1e-12)
    for n in range(length + 1):
        # Of the answers that reach position n, token x stands there with probability p[n, x].
        reach = sum(w for tokens, w in outcomes.items() if len(tokens) > n)
        for x in range(vocab):
            here = sum(w for tokens, w in outcomes.items() if len(tokens) > n and tokens[n] == x)
            assert here / reach == pytest.approx(float(p[n, x]), abs=1e-12)


def test_the_chance_of_acceptance_is_the_sum_of_the_smaller_probabilities():
    p, q = rows(3, 2, 6), rows(4, 1, 6)
    outcomes = every_outcome(lambda chance: speculate(p, q, True, chance))
    kept = sum(w for tokens, w in outcomes.items() if len(tokens) == 2)
    assert kept == pytest.approx(float(torch.minimum(p[0], q[0]).sum()), abs=1e-12)


def accept_always(draft, target, chance):
    return len(draft.tokens), chance.draw(target[-1])


def resample_from_p(draft, target, chance):
    for i, guess in enumerate(draft.tokens):
        if not chance.happens(float(target[i][guess] / draft.probs[i][guess])):
            return i, chance.draw(target[i])
    return len(draft.tokens), chance.draw(target[-1])


def test_guesses_of_all_but_the_same_distribution_leave_a_residual():
    """p is below q at the guess, by a rounding, and above it nowhere: max(0, p - q) sums to 0."""
    p, q = torch.tensor([0.49999997, 0.25, 0.25]), torch.tensor([0.5, 0.25, 0.25])
    outcomes = every_outcome(lambda chance: verify(Draft((0,), q[None]), torch.stack([p, p]), chance))
    assert {token for kept, token in outcomes if kept == 0} == {0, 1, 2}
    assert sum(outcomes.values()) == pytest.approx(1, abs=1e-6)


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=5), st.data())
def test_nearly_equal_distributions_give_the_target_s(logits, data):
    """In float32, as the model's: a residual is then a difference of roundings, or nothing at all."""
    p = torch.tensor(logits).softmax(-1)
    ulps = data.draw(st.lists(st.integers(-3, 3), min_size=len(logits), max_size=len(logits)))
    q = (p.view(torch.int32) + torch.tensor(ulps, dtype=torch.int32)).view(torch.float32)
    outcomes = every_outcome(lambda chance: speculate(torch.stack([p, p]), q[None], True, chance))
    for x in range(len(logits)):
        first = sum(weight for tokens, weight in outcomes.items() if tokens[0] == x)
        assert first == pytest.approx(float(p[x]), abs=1e-5)


def g_test(counts, expected):
    """Return the p-value of a G-test of counts against probabilities, rare cells pooled."""
    total = counts.sum()
    rare = expected * total < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum()) * total
    observed, wanted = observed[wanted > 0], wanted[wanted > 0]
    some = observed > 0
    g = 2 * np.sum(observed[some] * np.log(observed[some] / wanted[some]))
    return chi2.sf(g, len(wanted) - 1)


@pytest.mark.parametrize("check, passes", [(verify, True), (accept_always, False), (resample_from_p, False)])
def test_many_draws_pass_a_g_test_that_both_mutations_fail(check, passes):
    p, q = rows(5, 2, 12), rows(6, 1, 12)
    chance = Chance(torch.Generator().manual_seed(7))
    counts = np.bincount([speculate(p, q, True, chance, check)[0] for _ in range(8000)], minlength=12)
    value = g_test(counts, p[0].numpy())
    assert value > 0.01 if passes else value < 1e-6


class TinyCache:
    """Remembers tokens, as far as the tiny model needs them."""

    def __init__(self):
        self.tokens = []

    @property
    def length(self):
        return len(self.tokens)

    def truncate(self, length):
        assert 0 <= length <= len(self.tokens)
        del self.tokens[length:]


class TinyModel:
    """A random second-order Markov chain over five tokens with the model's interface."""

    VOCAB = 5

    def __init__(self, seed, blend=None):
        table = 1.5 * torch.randn(
            self.VOCAB, self.VOCAB, self.VOCAB, generator=torch.Generator().manual_seed(seed)
        )
        self.table = table if blend is None else 0.5 * table + 0.5 * blend.table
        self.device = torch.device("cpu")

    def forward(self, tokens, cache, *, last_only=False):
        first = len(cache.tokens)
        cache.tokens += tokens.tolist()
        places = range(len(cache.tokens) - 1 if last_only else first, len(cache.tokens))
        return torch.stack([self.table[cache.tokens[max(0, i - 1)], cache.tokens[i]] for i in places])


class TinyLLM:
    def __init__(self, model):
        self.model = model

    def new_cache(self, capacity=None):
        return TinyCache()


def tiny_answer(target, drafter, chance, length=3):
    answer = []
    for written, _ in decode(
        target, TinyCache(), [0, 1, 0], drafter, length, params=SAMPLED, chance=chance, draft_length=2
    ):
        answer += written
    assert len(answer) == length
    return tuple(answer)


def tiny_truth(target, length=3):
    truth = {}
    for answer in product(range(TinyModel.VOCAB), repeat=length):
        text, weight = [0, 1, 0], 1.0
        for token in answer:
            weight *= float(probabilities(target.table[text[-2], text[-1]], SAMPLED)[token])
            text.append(token)
        truth[answer] = weight
    return truth


TINY_DRAFTERS = {
    "model": lambda target: ModelDrafter(TinyLLM(TinyModel(12, blend=target))),
    "lookup": lambda target: PromptLookup(2, 1),
    "allowance": lambda target: Allowance(PromptLookup(2, 1)),
}


@pytest.mark.parametrize("name", TINY_DRAFTERS)
@pytest.mark.parametrize("mutation", [None, accept_always])
def test_whole_answers_have_the_distribution_of_plain_sampling(name, mutation, monkeypatch):
    if mutation:
        monkeypatch.setattr(speculative, "verify", mutation)
    target = TinyModel(11)
    chance = Chance(torch.Generator().manual_seed(13))
    answers = [tiny_answer(target, TINY_DRAFTERS[name](target), chance) for _ in range(4000)]
    truth = tiny_truth(target)
    index = {answer: i for i, answer in enumerate(truth)}
    counts = np.bincount([index[a] for a in answers], minlength=len(index))
    value = g_test(counts, np.array(list(truth.values())))
    assert value < 1e-6 if mutation else value > 0.01


@cache
def model():
    return load()


@cache
def copy():
    return load("bfloat16", through="Q8_0")


REAL_DRAFTERS = {
    "lookup": lambda: PromptLookup(),
    "allowance": lambda: Allowance(PromptLookup(3, 1)),
    "copy": lambda: ModelDrafter(copy(), capacity=512),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL_DRAFTERS)
@pytest.mark.parametrize(
    "prompt", [p for p in prompts.load() if p.name in ("quote", "rename", "story")], ids=lambda p: p.name
)
def test_greedy_equals_plain_greedy_wherever_the_margin_is_clear(name, prompt):
    llm = model()
    text = llm.tokenizer.chat([{"role": "user", "content": prompt.request}])
    answer = speculative.generate(llm, text, REAL_DRAFTERS[name](), 24)
    tokens = llm.tokenizer.encode(text)
    cache_ = llm.new_cache(len(tokens) + 24)
    step = torch.tensor(tokens)
    for token in answer.token_ids:  # plain decoding, one token a pass, along the same text
        logits = llm.model.forward(step, cache_, last_only=True)[0]
        best = logits.topk(2)
        if best.values[0] - best.values[1] > 2e-3:
            assert token == int(best.indices[0])
        step = torch.tensor([token])
    assert answer.accepted > 0 or prompt.kind == "open"
    assert sum(s.emitted for s in answer.steps) + 1 == len(answer.token_ids)


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 3), st.integers(0, 3), st.integers(1, 7))
def test_prompt_lookup_finds_what_a_search_of_all_places_finds(tokens, low, more, longest):
    expected = ()
    for n in range(low + more, low - 1, -1):
        places = [i for i in range(len(tokens) - n) if tokens[i : i + n] == tokens[len(tokens) - n :]]
        if n <= len(tokens) and places:
            expected = tuple(tokens[max(places) + n :][:longest])
            break
    assert PromptLookup(low + more, low).propose(tokens, longest, GREEDY, Chance()).tokens == expected


@given(st.lists(st.integers(0, 1), max_size=8), st.lists(st.integers(0, 1), max_size=8))
def test_common_prefix_is_shared_and_the_longest(a, b):
    n = common_prefix(a, b)
    assert a[:n] == b[:n]
    assert n in (len(a), len(b)) or a[n] != b[n]


@given(st.lists(st.integers(0, 7), min_size=1, max_size=200), st.sampled_from([0.0, 0.5]))
def test_an_allowance_bounds_the_loss_whatever_is_accepted(luck, cost):
    """Each entry is how many of the next guesses the target would keep."""

    class Eager(PromptLookup):
        def propose(self, tokens, longest, params, chance):
            return Draft((0,) * longest)

    eager = Eager()
    eager.cost = cost
    allowance = Allowance(eager)
    written, spent = 0, 0.0
    for kept in luck:
        drafted = len(allowance.propose([], 7, GREEDY, Chance()).tokens)
        accepted = min(kept, drafted)
        spent += 1 + allowance.price(drafted)
        written += accepted + 1
        allowance.observe(drafted, accepted)
        assert spent <= written * 1.01 + 0.75 + 1e-9
    assert written / spent >= allowance.slowest(written) - 1e-9


def test_an_allowance_drafts_in_full_where_every_guess_is_kept():
    allowance = Allowance(PromptLookup(1, 1))
    for _ in range(5):
        drafted = len(allowance.propose([3] * 20, 7, GREEDY, Chance()).tokens)
        allowance.observe(drafted, drafted)
    assert allowance.account == allowance.most


def test_nothing_is_drafted_without_room_or_with_bad_n_grams():
    assert last_match([1, 2, 3], 1) is None
    assert drafters.ModelDrafter(TinyLLM(TinyModel(1))).propose([1], 0, GREEDY, Chance()).tokens == ()
    with pytest.raises(ValueError, match="min_ngram"):
        PromptLookup(1, 2)
