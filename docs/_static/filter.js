/* A field above the tables of the page on differences: only rows that contain all of its words stay. Without scripts, everything is shown. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  if (!location.pathname.endsWith("/differences.html")) return;
  const article = document.querySelector("article");
  const title = article && article.querySelector("h1");
  if (!title) return;
  const rows = [...article.querySelectorAll("tbody tr")];
  const field = Object.assign(document.createElement("input"), { type: "search", className: "row-filter", placeholder: "Show only rows with …" });
  field.setAttribute("aria-label", "Show only rows with these words");
  const shown = Object.assign(document.createElement("p"), { className: "row-filter-count" });
  shown.setAttribute("role", "status");
  title.after(field, shown);
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    for (const section of article.querySelectorAll("section section")) {
      const own = [...section.querySelectorAll("tbody tr")];
      section.hidden = own.length > 0 && own.every((row) => row.hidden);
    }
    shown.textContent = words.length ? `${count} of ${rows.length} entries` : `${rows.length} entries`;
  };
  field.addEventListener("input", filter);
  filter();
});
