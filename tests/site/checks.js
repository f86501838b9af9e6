// What is wrong with the page as it is shown now, as a list of sentences. Run by test_browser.py.
() => {
  const problems = [];
  const visible = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden";

  const page = document.scrollingElement;
  if (page.scrollWidth > page.clientWidth) {
    const wide = [...document.querySelectorAll("main *")].filter(
      (element) => element.getBoundingClientRect().right > page.clientWidth + 1 && !element.closest("svg, pre, mjx-container"),
    );
    const names = wide.slice(0, 3).map((element) => `${element.tagName}.${element.className}`);
    problems.push(`scrolls sideways, ${page.scrollWidth} in ${page.clientWidth} pixels: ${names.join(", ")}`);
  }

  for (const image of document.images) {
    if (!image.complete || image.naturalWidth === 0) problems.push(`broken image ${image.src}`);
    if (!image.hasAttribute("alt") || (image.closest(".cell_output") && !/[a-z]{3}.* /.test(image.alt)))
      problems.push(`image without alternative text ${image.src}`);
  }
  for (const drawing of document.querySelectorAll("article svg")) {
    const described = drawing.closest("[aria-label]:not([aria-label='']), [aria-hidden='true'], mjx-container, button");
    if (!described) problems.push("a drawing without alternative text");
  }

  // The search page has a second form on purpose.
  const bars = [...document.querySelectorAll("form.bd-search, .search-button-field")].filter(
    (bar) => visible(bar) && !bar.closest(".bd-search-container"),
  );
  if (bars.length > 1) problems.push(`${bars.length} search bars`);

  if (document.querySelector("article mjx-merror, article .math:not(:has(mjx-container))")) problems.push("mathematics not set");
  return problems;
}
