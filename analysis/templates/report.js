"use strict";
// The page is whole without this: it adds sorting and filters to the table of runs, and a button that copies the BibTeX.
const make = (tag, attributes = {}, ...inside) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
};

// Sort a table by a column: numbers by data-value, else by text; empty cells last.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        const text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
        return text === "–" ? "" : text;
      };
      const keyed = [...body.rows].map((row) => [key(row), row]);
      keyed.sort(([x], [y]) => {
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, "en") : x - y;
        return down ? -order : order;
      });
      body.append(...keyed.map(([, row]) => row));
    });
  });

  const rows = [...body.rows].map((row) => [row, row.textContent.toLowerCase(), row.querySelector(".status").textContent]);
  const words = make("input", { type: "search", placeholder: "words of a row" });
  const status = make("select", {}, make("option", { value: "" }, "any"));
  status.append(...[...new Set(rows.map(([, , state]) => state))].sort().map((state) => make("option", {}, state)));
  const told = make("span", { role: "status" });
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text, state] of rows) {
      row.hidden = !((!status.value || state === status.value) && wanted.every((word) => text.includes(word)));
      shown += !row.hidden;
    }
    told.textContent = `${shown} of ${rows.length} runs`;
  };
  words.addEventListener("input", filter);
  status.addEventListener("change", filter);
  filter();
  const tools = make("div", { class: "tools" }, make("label", {}, "Filter ", words), make("label", {}, "Status ", status), told);
  table.closest(".scroll").before(tools);
  // A link to a run that the filter hides shows it again.
  addEventListener("hashchange", () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (row && row.hidden) {
      words.value = status.value = "";
      filter();
      row.scrollIntoView();
    }
  });
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
