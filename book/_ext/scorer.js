// The order of what the search finds. Sphinx puts this file into the site in place of its own scores.
// A reader looks for a subject: chapters come first, then the glossary, and the package and the sources last.
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    if (page.startsWith("book/api/")) return score - 1000;
    if (page === "book/references") return score - 500;
    if (page === "book/glossary") return score - 1;
    return score;
  },

  // What a match is worth, as Sphinx has it.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
