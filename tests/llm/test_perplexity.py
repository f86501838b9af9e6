import math

import pytest
import torch

from lessons.errors import LessonError
from lessons.llm.load import load
from lessons.llm.perplexity import Score, score, windows


@pytest.fixture(scope="module")
def llm():
    return load()


def test_the_score_is_torchs_cross_entropy(llm):
    texts = windows(llm.tokenizer, 2, 24)
    got = score(llm, texts)
    expected = []
    for text in texts:
        logits = llm.model.forward(text, llm.new_cache(len(text)))
        expected.append(torch.nn.functional.cross_entropy(logits[:-1].double(), text[1:]).item())
    assert len(got.nats) == 2 * 23
    assert math.log(got.perplexity) == pytest.approx(sum(expected) / 2, rel=1e-4)


def test_chunks_change_nothing(llm):
    texts = windows(llm.tokenizer, 2, 30)
    texts[1] = texts[1][:20]  # texts need not be of one length
    torch.testing.assert_close(score(llm, texts, chunk=7).nats, score(llm, texts).nats, atol=2e-3, rtol=1e-3)


def test_real_text_is_easier_than_the_same_tokens_shuffled(llm):
    (text,) = windows(llm.tokenizer, 1, 64)
    shuffled = text[torch.randperm(64, generator=torch.Generator().manual_seed(0))]
    assert score(llm, [text]).perplexity < 0.2 * score(llm, [shuffled]).perplexity


def test_windows_are_whole_and_do_not_overlap(llm):
    first, second = (windows(llm.tokenizer, 3, 16, skip=skip) for skip in (0, 3))
    assert all(len(text) == 16 for text in first + second)
    assert len({tuple(text.tolist()) for text in first + second}) == 6
    assert torch.equal(windows(llm.tokenizer, 6, 16)[3], second[0])


def test_impossible_windows_are_refused(llm):
    with pytest.raises(LessonError, match="at least 2"):
        windows(llm.tokenizer, 1, 1)
    with pytest.raises(LessonError, match="pages have 16 tokens"):
        windows(llm.tokenizer, 10_000, 16)


def test_a_uniform_guess_has_the_perplexity_of_its_choices():
    assert Score(torch.full((5,), math.log(7.0))).perplexity == pytest.approx(7)


def test_added_nats_are_paired():
    base = Score(torch.tensor([1.0, 5.0, 9.0]))
    added = Score(base.nats + torch.tensor([0.1, 0.2, 0.3])).added(base)
    assert added.value == pytest.approx(0.2)
    # The text's own spread, of several nats, is gone: what is left is that of the three differences.
    assert added.high - added.value == pytest.approx(1.96 * 0.1 / math.sqrt(3), rel=1e-3)
    with pytest.raises(ValueError, match="cannot be compared"):
        base.added(Score(torch.ones(2)))
