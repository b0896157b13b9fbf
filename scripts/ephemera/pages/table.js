"use strict";
document.querySelectorAll("div.table").forEach((box) => {
  const body = box.querySelector("tbody");
  const rows = Array.from(body.rows);
  const count = box.querySelector(".count");
  const input = box.querySelector("input[type=search]");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, k) => {
      row.hidden = !words.every((word) => texts[k].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  input.addEventListener("input", show);
  show();
  const key = (row, column, kind) => {
    const cell = row.cells[column];
    const text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
    if (text === "") return null;
    return kind === "number" ? Number(text) : text;
  };
  box.querySelectorAll("th").forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      box.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const kind = heading.dataset.kind;
      const keyed = rows.map((row, k) => [key(row, column, kind), k, row]);
      keyed.sort((a, b) => {
        if (a[0] === null || b[0] === null) return (a[0] === null) - (b[0] === null) || a[1] - b[1];
        const order = kind === "number" ? a[0] - b[0] : String(a[0]).localeCompare(String(b[0]));
        return (down ? -order : order) || a[1] - b[1];
      });
      body.append(...keyed.map((entry) => entry[2]));
    });
  });
});
