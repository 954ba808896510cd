// Small charts: lines over time and bars, each with its figures as text and as a table.

import { bars } from "./bars.js";
import { h, s } from "./dom.js";
import { clock } from "./words.js";

const [WIDTH, HEIGHT] = [340, 130];
const [LEFT, RIGHT, TOP, BOTTOM] = [50, 8, 8, 20];
const LEAST_SPAN_MS = 60_000;
const ROWS = 12;

/**
 * Lines over time. Each of `lines` has a `name` and `of(look)`, a number or null; `format` writes a number.
 *
 * `top` is the least that the axis reaches to. `show(looks, gapMs)` draws looks, each with its time `at`;
 * a line breaks where two lie further apart than `gapMs`.
 */
export function lineChart({ title, note, lines, format, top, none }) {
  const now = h("dl", { class: "now" });
  const drawing = h("div", { class: "plot", "aria-hidden": "true" });
  const table = figures(["Time", ...lines.map((line) => line.name)]);
  const element = panel(title, note, now, drawing, table.element);

  function show(looks, gapMs) {
    const last = looks.at(-1);
    now.replaceChildren(...lines.map((line, place) => h("div", {},
      h("dt", {}, lines.length > 1 ? swatch(place) : null, line.name),
      h("dd", {}, format(line.of(last))))));
    const isEmpty = looks.every((look) => lines.every((line) => line.of(look) == null));
    drawing.replaceChildren(isEmpty ? nothing(none) : plot(looks, lines, format, top, gapMs));
    table.fill(() => looks.slice(-ROWS).reverse().map((look) => [clock(look.at), ...lines.map((line) => format(line.of(look)))]));
  }
  return { element, show };
}

/**
 * Bars of shares from 0 to 1. `rows(look)` gives [name, share, text] for each; null or none is no data.
 * `values(look)` gives [name, text] of what stands above them, `none(look)` what to say without data.
 */
export function barChart({ title, note, head, rows, none, values = () => [], most = Infinity, isUpright = false, isBroad = false }) {
  const now = h("dl", { class: "now" });
  const drawing = h("div", { class: "plot" });
  const table = figures(head);
  const element = panel(title, note, now, drawing, table.element);
  element.classList.toggle("broad", isBroad);

  function show(looks) {
    const all = rows(looks.at(-1)) ?? [];
    const isEmpty = !all.some(([, share]) => share);
    now.replaceChildren(...values(looks.at(-1)).map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
    const draw = () => (isUpright ? columns(all) : bars(all.slice(0, most), more(all.length - most)));
    drawing.replaceChildren(isEmpty ? nothing(none(looks.at(-1))) : draw());
    table.fill(() => all.map(([name, , text]) => [name, text]));
  }
  return { element, show };
}

function panel(title, note, ...content) {
  return h("figure", { class: "panel" }, h("figcaption", {}, h("h2", {}, title), h("p", { class: "soft small" }, note)), ...content);
}

function nothing(words) {
  return h("p", { class: "nothing soft" }, words);
}

function swatch(place) {
  return s("svg", { class: `swatch line-${place}`, viewBox: "0 0 20 8", width: 20, height: 8, "aria-hidden": "true" },
    s("line", { x1: 1, x2: 19, y1: 4, y2: 4 }));
}

/** The table of a chart, written anew only while it is open. */
function figures(head) {
  const body = h("tbody");
  let write = () => [];
  const renew = () => body.replaceChildren(...write().map(([name, ...cells]) => h("tr", {},
    h("th", { scope: "row" }, name), cells.map((cell) => h("td", {}, cell)))));
  const element = h("details", { class: "figures", toggle: () => element.open && renew() },
    h("summary", {}, "Figures"),
    h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), body));
  return {
    element,
    fill: (rows) => {
      write = rows;
      if (element.open) renew();
    },
  };
}

function plot(looks, lines, format, least, gapMs) {
  const end = looks.at(-1).at;
  const span = Math.max(LEAST_SPAN_MS, end - looks[0].at);
  const highest = Math.max(0, ...looks.flatMap((look) => lines.map((line) => line.of(look) ?? 0)));
  const top = rounded(Math.max(least, highest));
  const x = (at) => WIDTH - RIGHT - ((end - at) / span) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (Math.min(value, top) / top) * (HEIGHT - TOP - BOTTOM);
  const grid = [0, 0.5, 1].map((share) => [
    s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share * top), y2: y(share * top) }),
    s("text", { x: LEFT - 6, y: y(share * top) + 3.5, "text-anchor": "end" }, format(share * top).replace(".0 ", " ")),
  ]);
  const times = [
    s("text", { x: LEFT, y: HEIGHT - 5 }, `${span < 120_000 ? `${Math.round(span / 1000)} s` : `${Math.round(span / 60_000)} minutes`} ago`),
    s("text", { x: WIDTH - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }, "now"),
  ];
  const drawn = lines.map((line, place) => trace(looks, line, place, x, y, gapMs)).reverse();
  return s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}` }, grid, times, drawn);
}

function trace(looks, line, place, x, y, gapMs) {
  let path = "";
  let before = null;
  let last = null;
  for (const look of looks) {
    const value = line.of(look);
    if (value != null) {
      path += `${before != null && look.at - before <= gapMs ? "L" : "M"}${x(look.at).toFixed(1)} ${y(value).toFixed(1)}`;
      last = look;
    }
    before = value == null ? null : look.at;
  }
  const dot = last && s("circle", { cx: x(last.at), cy: y(line.of(last)), r: 3 });
  return s("g", { class: `line-${place}` }, s("path", { d: path }), dot);
}

/** The next of 1, 2 and 5 with noughts. */
function rounded(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value * 0.999);
}

function more(left) {
  return left > 0 ? h("li", { class: "soft small" }, `and ${left} more, under Figures`) : null;
}

function columns(rows) {
  const most = Math.max(...rows.map(([, share]) => share));
  const step = (WIDTH - LEFT - RIGHT) / rows.length;
  const floor = HEIGHT - BOTTOM;
  const drawn = rows.map(([, share], place) => {
    const height = share ? Math.max(1.5, (share / most) * (floor - TOP)) : 0;
    return s("rect", { class: "column", x: LEFT + place * step + 1.5, width: step - 3, y: floor - height, height, rx: 2 });
  });
  const named = [0, rows.length / 2, rows.length].map((place, at) => s("text",
    { x: LEFT + place * step, y: HEIGHT - 5, "text-anchor": ["start", "middle", "end"][at] }, `${(place / rows.length) * 100} %`));
  const floorLine = s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: floor, y2: floor });
  return s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, floorLine, drawn, named);
}
