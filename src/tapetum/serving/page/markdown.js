// The Markdown that model cards are written in: headings, paragraphs, tables and code.

import { h } from "./dom.js";

/** Elements of a card; its headings begin at h2. */
export function render(text) {
  return text.trim().split(/\n{2,}/).map((block) => {
    const heading = block.match(/^(#+) (.*)$/);
    if (heading) return h(`h${Math.min(6, heading[1].length + 1)}`, {}, inline(heading[2]));
    if (block.startsWith("|")) return table(block.split("\n"));
    return h("p", {}, inline(block.replaceAll("\n", " ")));
  });
}

function table([head, rule, ...rows]) {
  const isRight = cells(rule).map((cell) => cell.endsWith(":"));
  const kind = (place) => ({ class: isRight[place] ? "number" : null });
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Table of ${cells(head)[0]}` },
    h("table", {},
      h("thead", {}, h("tr", {}, cells(head).map((cell, place) => h("th", { scope: "col", ...kind(place) }, inline(cell))))),
      h("tbody", {}, rows.map((row) => {
        const [first, ...others] = cells(row);
        return h("tr", {}, h("th", { scope: "row" }, inline(first)), others.map((cell, place) => h("td", kind(place + 1), inline(cell))));
      }))));
}

function cells(row) {
  const inner = row.replace(/^\||\|$/g, "");
  return (inner.match(/(?:\\\||[^|])+/g) ?? []).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function inline(text) {
  return text.split(/(`[^`]+`)/).filter(Boolean).map((part) => (part.startsWith("`") ? h("code", {}, part.slice(1, -1)) : part));
}
