// Bars of shares, each with its name and its value as text.

import { h } from "./dom.js";

/** A list with a bar for each of `rows`: [name, share from 0 to 1, text]. */
export function bars(rows, ...more) {
  return h("ul", { class: "bars" }, rows.map(([name, share, text]) => {
    const fill = h("span", { class: "bar-fill" });
    fill.style.inlineSize = `${share * 100}%`;
    return h("li", {},
      h("span", { class: "bar-name" }, name),
      h("span", { class: "bar-track", "aria-hidden": "true" }, fill),
      h("span", { class: "bar-value" }, text));
  }), more);
}
