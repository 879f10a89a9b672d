"use strict";
// The page is whole without this: it adds sorting and filters to the table of runs, and a button that copies the BibTeX.
const make = (tag, attributes = {}, ...inside) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
};

// The table of runs: rows that have some words and a status, sorted by a column (numbers by data-value, else by text;
// empty cells last). Of thousands only the first are shown until all are asked for: a browser takes seconds for them.
const MOST = 400;
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  let rows = [...body.rows].map((row) => ({
    row, text: row.textContent.toLowerCase(), state: row.querySelector(".status").textContent,
  }));
  let most = MOST;
  const words = make("input", { type: "search", placeholder: "words of a row" });
  const status = make("select", {}, make("option", { value: "" }, "any"));
  status.append(...[...new Set(rows.map((one) => one.state))].sort().map((state) => make("option", {}, state)));
  const told = make("span", { role: "status" });
  const all = make("button", { type: "button" }, "Show all");
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let fitting = 0;
    for (const { row, text, state } of rows) {
      const fits = (!status.value || state === status.value) && wanted.every((word) => text.includes(word));
      fitting += fits;
      row.hidden = !fits || fitting > most;
    }
    told.textContent = `${fitting} of ${rows.length} runs` + (fitting > most ? `, ${most} shown` : "");
    all.hidden = fitting <= most;
  };
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
    return text === "–" ? "" : text;
  };
  const sort = (column, down) => {
    for (const one of rows) one.key = key(one.row, column);
    rows.sort(({ key: x }, { key: y }) => {
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, "en") : x - y;
      return down ? -order : order;
    });
    body.replaceChildren(...rows.map((one) => one.row));
    filter();
  };
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(column, down);
    });
  });
  words.addEventListener("input", filter);
  status.addEventListener("change", filter);
  all.addEventListener("click", () => { most = Infinity; filter(); });
  filter();
  const tools = [make("label", {}, "Filter ", words), make("label", {}, "Status ", status), told, all];
  table.closest(".scroll").before(make("div", { class: "tools" }, ...tools));
  // A link to a run that is hidden shows it again.
  const show = () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (row && row.hidden) {
      words.value = status.value = "";
      most = Infinity;
      filter();
      row.scrollIntoView();
    }
  };
  addEventListener("hashchange", show);
  show();
});

const bibtex = document.getElementById("bibtex");
if (bibtex && navigator.clipboard) {
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(bibtex.textContent);
    copy.textContent = "Copied";
  });
  bibtex.before(make("div", { class: "tools" }, copy));
}
