// The model card: what is served, how well it was measured to do, and the report of its run.

import { Refusal, ask, askJson, key } from "./api.js";
import { bars } from "./bars.js";
import { byId, h } from "./dom.js";
import { giveKey, showKeyButton, withKey } from "./keys.js";
import { render } from "./markdown.js";
import { count, explain, percent } from "./words.js";

const MOST_CONFUSED = 12; // classes, beyond which a matrix cannot be read
const MOST_NAMED = 8;

/** Ask for the card and show it; its version, or null where it was refused. */
export async function showModel() {
  let card;
  try {
    card = await askJson("model-card");
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    refuse(refusal);
    return null;
  }
  if (key.get()) showKeyButton();
  byId("title").textContent = card.title;
  document.title = `${card.title} · Tapetum`;
  const named = card.labels.slice(0, MOST_NAMED).join(", ");
  byId("classes").textContent = `The model tells ${count(card.labels.length, "class", "classes")} apart: ${named}${card.labels.length > MOST_NAMED ? ", …" : "."}`;
  byId("card").replaceChildren(facts(card), ...scores(card), report(card), ...text(card));
  return card.model.version;
}

function refuse(refusal) {
  const isClosed = refusal.kind === "unauthorised";
  if (isClosed) showKeyButton();
  const [title, remedy] = explain(refusal);
  const words = isClosed ? "This service answers those who have a key." : `${title}. ${remedy}`;
  byId("classes").textContent = words;
  byId("card").replaceChildren(h("div", { class: "notice" }, h("p", {}, words),
    isClosed ? h("button", { class: "quiet", type: "button", click: () => giveKey(refusal) }, "Enter a key") : null));
}

function facts({ title, model, architecture, width, height, precision }) {
  const pairs = { Name: model.name, Version: model.version, Architecture: architecture, Sees: `${width} × ${height} pixels`, Arithmetic: precision };
  return h("div", { class: "panel" }, h("h2", {}, title), h("dl", { class: "facts" },
    Object.entries(pairs).filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

function scores({ scores: measured }) {
  if (!measured) return [h("p", { class: "notice" }, "Nobody measured this model: how often it is right is not known.")];
  const tile = (name, { value, low, high }, note) => h("div", { class: "panel tile" },
    h("h2", {}, name), h("p", { class: "big" }, percent(value)), h("p", { class: "soft small" }, `95 % interval ${percent(low)} to ${percent(high)}. ${note}`));
  const byClass = Object.entries(measured.classes);
  const recalls = byClass.map(([name, { recall }]) => [name, recall.value, percent(recall.value)]);
  const precisions = byClass.map(([name, { precision }]) => [name, precision.value, percent(precision.value)]);
  return [
    h("div", { class: "tiles" },
      tile("Accuracy", measured.accuracy, `Of ${count(measured.samples, "test picture")}.`),
      tile("F1", measured.f1, "Mean of the classes."),
      tile("Calibration error", measured.calibration_error, "How far confidence is from how often it is right.")),
    h("div", { class: "charts" },
      panel("Recall", "Of the pictures of a class, how many were recognised.", bars(recalls)),
      panel("Precision", "Of the answers of a class, how many were right.", bars(precisions)),
      byClass.length <= MOST_CONFUSED ? panel("Confusion", "Rows are what pictures show, columns what was answered.", confusion(measured)) : null),
  ];
}

function panel(title, note, content) {
  return h("figure", { class: "panel" }, h("figcaption", {}, h("h2", {}, title), h("p", { class: "soft small" }, note)), content);
}

function confusion({ classes, confusion: counts }) {
  const names = Object.keys(classes);
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Confusion" }, h("table", { class: "confusion" },
    h("thead", {}, h("tr", {}, h("td"), names.map((name) => h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", {}, names.map((name, row) => {
      const total = counts[row].reduce((sum, number) => sum + number, 0);
      return h("tr", {}, h("th", { scope: "row" }, name), counts[row].map((number, column) => {
        const cell = h("td", { class: row === column ? "number right" : "number off" }, String(number));
        cell.style.setProperty("--share", `${total ? Math.round((number / total) * 40) : 0}%`);
        return cell;
      }));
    }))));
}

/** A link; where a key is needed, which no link can bring, the report is fetched and saved as a file. */
function report({ has_report: isThere, model }) {
  if (!isThere) return h("p", { class: "soft" }, "The bundle has no report of its run.");
  if (!key.get()) {
    return h("p", {}, h("a", { class: "button", href: "model-report", target: "_blank", rel: "noopener" }, "Open the report of its run"));
  }
  const said = h("p", { class: "small soft", role: "status" });
  const save = async () => {
    try {
      const response = await withKey(() => ask("model-report", { accept: "text/html" }));
      const address = URL.createObjectURL(await response.blob());
      h("a", { href: address, download: `${model.name}-${model.version}.html` }).click();
      URL.revokeObjectURL(address);
      said.textContent = "Saved among your downloads.";
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      said.textContent = explain(refusal).join(". ");
    }
  };
  return h("div", {}, h("button", { class: "button", type: "button", click: save }, "Save the report of its run"), said);
}

function text({ card }) {
  return card ? [h("article", { class: "panel card-text", "aria-label": "Model card" }, render(card))] : [];
}
