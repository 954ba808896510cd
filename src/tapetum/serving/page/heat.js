// Where the model saw a class: asked for only when wanted, and drawn over the picture from a small grid.

import { Refusal, askJson } from "./api.js";
import { fresh, h } from "./dom.js";
import { withKey } from "./keys.js";
import { persist } from "./patience.js";
import { explain } from "./words.js";

// From brown to yellow and from dark to light, as in the service's own drawings: kind to the colour-blind.
const STOPS = [[150, 40, 0], [240, 115, 0], [255, 240, 80]];
const FULL_FROM = 0.5; // heat from which the colour is as opaque as it gets
const FAINTNESS = 1.5; // above 1, faint heat hardly tints
const SMOOTH_PX = 320;

/** The button that shows and hides the heat of a card, with what sets its strength and its class. */
export function heatControls(card, labels) {
  const strength = h("input", { id: fresh("strength"), type: "range", min: 10, max: 100, value: 75 });
  const choice = h("select", { id: fresh("class") }, labels.map((label) => h("option", {}, label)));
  const said = h("p", { class: "small soft", role: "status" });
  const more = h("div", { class: "heat-more", hidden: true },
    h("label", { for: strength.id }, "Strength"), strength,
    h("label", { for: choice.id }, "What speaks for"), choice);
  const toggle = h("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "Show where it looked");
  const known = new Map();
  let canvas = null;

  const fade = () => { if (canvas) canvas.style.opacity = strength.value / 100; };
  const hide = () => {
    canvas?.remove();
    canvas = null;
    card.frame.classList.remove("heated");
    toggle.setAttribute("aria-pressed", "false");
    more.hidden = true;
    said.textContent = "";
  };
  const show = async () => {
    const label = choice.value;
    toggle.disabled = true;
    said.textContent = known.has(label) ? "" : "Looking…";
    try {
      if (!known.has(label)) known.set(label, await fetchHeat(card, label, (words) => { said.textContent = words; }));
      if (choice.value !== label) return;
      canvas?.remove();
      canvas = draw(known.get(label));
      card.frame.append(canvas);
      card.frame.classList.add("heated");
      fade();
      toggle.setAttribute("aria-pressed", "true");
      more.hidden = false;
      said.textContent = `Yellow is what speaks most for ${label} in this picture.${isWhole(known.get(label)) ? "" : " The dark edge it does not see."}`;
    } catch (error) {
      if (card.gone.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      hide();
      said.textContent = explain(error).join(". ");
      if (error.kind === "switched-off") toggle.hidden = true;
    } finally {
      toggle.disabled = false;
    }
  };
  toggle.addEventListener("click", async () => {
    if (canvas) return hide();
    await show();
    toggle.focus(); // which a disabled button loses
    return undefined;
  });
  choice.addEventListener("change", show);
  strength.addEventListener("input", fade);
  return h("div", { class: "heat" }, toggle, more, said);
}

async function fetchHeat(card, label, say) {
  const path = `explain?${new URLSearchParams({ class: label, format: "json" })}`;
  const attempt = () => askJson(path, { method: "POST", body: card.file, signal: card.gone.signal });
  const wait = (refusal, seconds) => say(`${explain(refusal)[0]}. Trying again in ${seconds} s.`);
  return withKey(() => persist(attempt, wait, card.gone.signal));
}

function isWhole({ box: [left, top, right, bottom] }) {
  return left + top < 0.01 && right + bottom > 1.99;
}

function draw({ heat, box }) {
  const grid = h("canvas", { width: heat[0].length, height: heat.length });
  const pen = grid.getContext("2d");
  const pixels = pen.createImageData(grid.width, grid.height);
  pixels.data.set(heat.flat().flatMap((value) => [...colour(value), 255 * Math.min(value / FULL_FROM, 1) ** FAINTNESS]));
  pen.putImageData(pixels, 0, 0);
  const [left, top, right, bottom] = box;
  const smooth = h("canvas", { class: "heat-map", width: SMOOTH_PX, height: SMOOTH_PX, "aria-hidden": "true" });
  const brush = smooth.getContext("2d");
  brush.imageSmoothingQuality = "high";
  brush.drawImage(grid, 0, 0, SMOOTH_PX, SMOOTH_PX);
  Object.assign(smooth.style, {
    left: `${left * 100}%`,
    top: `${top * 100}%`,
    width: `${(right - left) * 100}%`,
    height: `${(bottom - top) * 100}%`,
  });
  return smooth;
}

function colour(value) {
  const place = Math.min(value * (STOPS.length - 1), STOPS.length - 1 - 1e-6);
  const [from, to] = STOPS.slice(Math.floor(place), Math.floor(place) + 2);
  return from.map((level, channel) => level + (to[channel] - level) * (place % 1));
}
