// The report card sorted by size of miss, and filtered by outcome. Without this script all rows stand by chapter.
for (const report of document.querySelectorAll(".lessons-report")) {
  const table = report.querySelector("table");
  const groups = [...table.tBodies].map((body) => ({ body, rows: [...body.rows] }));
  const results = [...table.querySelectorAll(".lessons-result-row")];
  const sorted = document.createElement("tbody");

  const choice = (label, options) => {
    const select = document.createElement("select");
    for (const [value, text] of options) select.add(new Option(text, value));
    const around = document.createElement("label");
    around.append(`${label} `, select);
    report.querySelector(".lessons-report-controls").append(around);
    select.addEventListener("change", show);
    return select;
  };

  const show = () => {
    for (const { body, rows } of groups) body.replaceChildren(...rows);
    sorted.remove();
    for (const row of results) row.hidden = filter.value !== "" && row.dataset.outcome !== filter.value;
    if (order.value === "miss") {
      // Python writes "inf" where no factor exists: those come first.
      const miss = (row) => (row.dataset.miss === "inf" ? Infinity : Number(row.dataset.miss));
      sorted.replaceChildren(...[...results].sort((a, b) => miss(b) - miss(a) || 0));
      table.append(sorted);
    }
    for (const { body, rows } of groups)
      body.hidden = order.value === "miss" || rows.slice(1).every((row) => row.hidden);
  };

  const order = choice("Order", [["chapter", "by chapter"], ["miss", "by size of miss"]]);
  const filter = choice("Show", [["", "all"], ["missed", "missed"], ["can't tell", "can't tell"], ["held", "held"]]);
  report.querySelector(".lessons-report-controls").hidden = false;
}
