"""The book's prose against its claims, and planted mistakes that the check must find."""

import json
import re

import checker
import pytest
from prose import sentences

from lessons import datasheets

CITED = 'kind = "cited"\nsource = "kwon2023pagedattention"\nwhere = "figure 2"'


def problems(prose, claims, slug="roofline"):
    """Return everything the checker objects to in ``prose`` with ``claims`` given as TOML."""
    good, malformed = checker.load(claims)
    return malformed + checker.check({slug: prose}, good)


def claim(text, rest):
    return f'[[claim]]\ntext = "{text}"\npages = ["roofline"]\n{rest}\n'


def datasheet(text, entry):
    return claim(text, f'kind = "datasheet"\nentry = "{entry}"')


def derived(text, formula):
    return claim(text, f'kind = "derived"\nformula = "{formula}"')


def test_the_claims_are_well_formed():
    assert checker.load()[1] == []


def test_every_number_in_the_books_prose_is_covered_and_every_claim_is_used():
    found = checker.check(checker.read_pages(), checker.load()[0])
    assert not found, "\n" + "\n".join(found)


def notebooks_with_capacities():
    """Yield the pages whose code prints or reckons with the memory of accelerators, by their slug."""
    skus = datasheets.table("accelerators").values()
    sized = "|".join(rf"\b{sku.key}\b" for sku in skus if re.search(r"\dGB", sku.name))
    for path in sorted(checker.BOOK.glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        if re.search(rf"{sized}|\.memory_(?:bytes|printed|reported)|cards\.offers", code):
            yield path.stem


@pytest.mark.parametrize("slug", list(notebooks_with_capacities()))
def test_a_page_with_the_memory_of_cards_says_what_its_gb_are(slug):
    text = checker.read_pages()[slug]
    assert re.search(r"maker[^.]*\{term\}`GiB`|GB[^.]*maker[^.]*GiB|maker[^.]*GB[^.]*GiB", text, re.S)


def test_a_size_of_memory_is_never_a_bare_g():
    """A page that says "80G" has not said which."""
    pages = checker.read_pages()
    assert not [(slug, found) for slug, text in pages.items() for found in re.findall(r"\b\d+ ?G\b", text)]


def test_the_walk_sees_the_book():
    """A walk that finds nothing would pass every page."""
    assert sum(len(list(sentences(text))) for text in checker.read_pages().values()) > 100


@pytest.mark.parametrize("heading", ["text", "cited", "alt", "question", "title", "no-gain", "alt no-gain"])
def test_a_number_planted_in_any_passage_of_a_text_is_found(heading, tmp_path, monkeypatch):
    (tmp_path / "roofline").mkdir()
    (tmp_path / "roofline" / "text.md").write_text(
        f"## sweep\n### {heading}\nIt reads 3.99 TB/s, not {{measured}}.\n"
    )
    monkeypatch.setattr(checker, "TEXTS", tmp_path)
    pages = checker.read_pages([checker.BOOK / "roofline.ipynb"])
    found = checker.check(pages, checker.load()[0], all_pages=False)
    assert len(found) == 1 and "'3.99 TB/s': no claim covers it" in found[0]


def test_a_number_planted_in_the_shared_passages_is_found(tmp_path, monkeypatch):
    (tmp_path / "text.md").write_text("## every chapter\n### cant-tell\nIt reads 3.99 TB/s.\n")
    monkeypatch.setattr(checker, "TEXTS", tmp_path)
    assert any(
        "3.99 TB/s" in p for p in checker.check(checker.read_pages(), checker.load()[0], all_pages=False)
    )


RIDGE = "roofline.ridge(accelerator('h100_sxm').bf16, accelerator('h100_sxm').bandwidth)"
TRUE = [
    ("An H100 SXM reads 3.35 TB/s.", datasheet("3.35 TB/s", "accelerators.h100_sxm.bandwidth")),
    ("It does 989 TFLOP/s in dense bf16.", datasheet("989 TFLOP/s", "accelerators.h100_sxm.bf16")),
    (
        "With sparse bf16 it is 1,979 TFLOP/s.",
        datasheet("1,979 TFLOP/s", "accelerators.h100_sxm.bf16_sparse"),
    ),
    ("In dense fp8 it is 1,979 TFLOP/s.", datasheet("1,979 TFLOP/s", "accelerators.h100_sxm.fp8")),
    ("It holds 80 GB.", datasheet("80 GB", "accelerators.h100_sxm.memory_printed")),
    ("It reports 85.5 GB.", datasheet("85.5 GB", "accelerators.h100_sxm.memory_reported")),
    ("It has 8.03 billion parameters.", datasheet("8.03 billion parameters", "models.llama-3-8b.parameters")),
    ("The ridge lies at 295 FLOP/byte.", derived("295 FLOP/byte", RIDGE)),
    ("Between 20.4-38.2 % was used.", claim("20.4-38.2 %", CITED)),
    ("A line has 64 B.", claim("64 B", 'kind = "definition"\nwhy = "the line of x86 and Arm"')),
]


@pytest.mark.parametrize(("prose", "claims"), TRUE)
def test_a_true_statement_passes(prose, claims):
    assert problems(prose, claims) == []


PLANTED = {
    "sparse called dense, from the dense entry": (
        "An H100 does 1,979 TFLOP/s in dense bf16.",
        datasheet("1,979 TFLOP/s", "accelerators.h100_sxm.bf16"),
        "the value is 9.894e+14",
    ),
    "sparse called dense, from the sparse entry": (
        "An H100 does 1,979 TFLOP/s in dense bf16.",
        datasheet("1,979 TFLOP/s", "accelerators.h100_sxm.bf16_sparse"),
        "is the sparse rate, which the sentence does not say",
    ),
    "sparse called dense, from the fp8 entry": (
        "An H100 does 1,979 TFLOP/s in dense bf16.",
        datasheet("1,979 TFLOP/s", "accelerators.h100_sxm.fp8"),
        "is a rate for fp8, which the sentence does not name",
    ),
    "dense called sparse": (
        "An H100 does 989 TFLOP/s in sparse bf16.",
        datasheet("989 TFLOP/s", "accelerators.h100_sxm.bf16"),
        "the sentence calls it sparse",
    ),
    "GiB for GB": (
        "An H100 holds 80 GiB.",
        datasheet("80 GiB", "accelerators.h100_sxm.memory_printed"),
        "the value is 8e+10",
    ),
    "GB for GiB": (
        "A cache of 16 sequences takes 4.0 GB.",
        derived("4.0 GB", "kv_cache.sequence_bytes(16 * 2048, kv_cache.bytes_per_token(32, 8, 128))"),
        "the value is 4.29497e+09",
    ),
    "GB for GB/s": (
        "An H100 reads 3350 GB.",
        datasheet("3350 GB", "accelerators.h100_sxm.bandwidth"),
        "its unit measures B, but",
    ),
    "a source that is missing": (
        "Only 20.4 % was used.",
        claim("20.4 %", CITED.replace("kwon2023pagedattention", "nobody2031paper")),
        "'nobody2031paper' is not in references.bib",
    ),
    "a source that is not given": (
        "Only 20.4 % was used.",
        claim("20.4 %", 'kind = "cited"\nwhere = "figure 2"'),
        "needs source",
    ),
    "a published ratio without its baseline": (
        "It is 2.6x as fast as vLLM.",
        claim("2.6x", CITED),
        "needs against",
    ),
    "a baseline that the sentence keeps to itself": (
        "It is 2.6x as fast.",
        claim("2.6x", CITED + '\nagainst = "vLLM"'),
        "measured against 'vLLM', which the sentence does not name",
    ),
    "a wrong derived number": (
        "The ridge lies at 590 FLOP/byte.",
        derived("590 FLOP/byte", RIDGE),
        "the value is 295",
    ),
    "one wrong end of a range": (
        "The ridges lie at 153-290 FLOP/byte.",
        derived(
            "153-290 FLOP/byte",
            "(roofline.ridge(312e12, accelerator('a100_sxm_80gb').bandwidth), roofline.ridge(989.4e12, 3.35e12))",
        ),
        "it says 290",
    ),
    "a formula that does not exist": (
        "The ridge lies at 295 FLOP/byte.",
        derived("295 FLOP/byte", "roofline.summit(1, 2)"),
        "cannot be computed",
    ),
    "a number without a claim": (
        "An H100 reads 3.35 TB/s and burns 700 W.",
        datasheet("3.35 TB/s", "accelerators.h100_sxm.bandwidth"),
        "'700 W': no claim covers it. In: An H100 reads 3.35 TB/s and burns 700 W.",
    ),
    "a claim without a number": (
        "An H100 is fast.",
        datasheet("3.35 TB/s", "accelerators.h100_sxm.bandwidth"),
        "not used on 'roofline'",
    ),
    "a claim for another page": (
        "An H100 reads 3.35 TB/s.",
        datasheet("3.35 TB/s", "accelerators.h100_sxm.bandwidth").replace('"roofline"', '"kv_cache"'),
        "roofline: '3.35 TB/s': no claim covers it",
    ),
    "a definition without a reason": (
        "A line has 64 B.",
        claim("64 B", 'kind = "definition"'),
        "needs why",
    ),
}


@pytest.mark.parametrize(("prose", "claims", "words"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_mistake_is_found(prose, claims, words):
    found = problems(prose, claims)
    assert found
    assert any(words in problem for problem in found), found
