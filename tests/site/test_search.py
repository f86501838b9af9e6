"""The search finds the chapter that treats a subject first, then the glossary, and the package last."""

import re
from urllib.parse import quote

import pytest
from plain import glossary
from project import ROOT

FIRST = {
    "PagedAttention": "kv_cache",
    "HBM": "roofline",
    "continuous batching": "batching",
    "prefix caching": "kv_cache",
    "FlashAttention": "roofline",
    "roofline": "roofline",
    "GQA": "kv_cache",
    "speculative decoding": "speculative",
    "NVFP4": "quantization",
    "MoE": "roofline",
}
# What the page would show from top to bottom, as paths of pages.
SEARCH = "query => Search._performSearch(...Search._parseQuery(query)).reverse().map(result => result[0])"


@pytest.fixture(scope="module")
def page(served, chromium):
    page = chromium.new_page()
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("query", FIRST)
def test_a_readers_search_finds_the_chapter_first(query, page, served):
    page.goto(f"{served}/search.html?q={quote(query)}")
    first = page.locator("#search-results li a").first
    first.wait_for(timeout=20_000)
    assert first.get_attribute("href").partition("#")[0] == f"book/{FIRST[query]}.html"


@pytest.mark.browser
def test_every_term_of_the_glossary_finds_where_it_is_treated(page, served):
    page.goto(f"{served}/search.html?q=token")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    missed = {}
    for term, meaning in glossary(ROOT / "book").items():
        treated = re.findall(r"\{doc\}`(\w+)`", meaning) or ["glossary"]
        first = page.evaluate(SEARCH, term)[0]
        if first not in [f"book/{name}" for name in treated]:
            missed[term] = first
    assert missed == {}


@pytest.mark.browser
@pytest.mark.parametrize("query", ["roofline", "kv cache", "quantization", "bandwidth"])
def test_the_packages_pages_come_last(query, page, served):
    page.goto(f"{served}/search.html?q=token")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    places = [name.startswith("book/api/") for name in page.evaluate(SEARCH, query)]
    assert True in places and False in places and places == sorted(places)
