// One picture: its thumbnail, what the service said of it, and what can be asked further.

import { Refusal, askJson } from "./api.js";
import { bars } from "./bars.js";
import { correction } from "./correction.js";
import { fresh, h, told } from "./dom.js";
import { heatControls } from "./heat.js";
import { withKey } from "./keys.js";
import { persist } from "./patience.js";
import { count, detail, explain, milliseconds, percent } from "./words.js";

const SHOWN = 3; // classes; the rest is folded
const UNSURE_BELOW = Number(told("unsure-below"));

export class Card {
  state = "waiting";

  /** `pile` has `enqueue(card)`, `forget(card)` and `changed()`. */
  constructor(file, pile) {
    this.file = file;
    this.pile = pile;
    this.address = URL.createObjectURL(file);
    this.gone = new AbortController();
    this.body = h("div", { class: "said" });
    const title = fresh("picture");
    const name = file.name || "pasted picture";
    this.frame = h("div", { class: "frame" }, this.#thumbnail(name));
    this.element = h("li", {}, h("article", { class: "card", "aria-labelledby": title },
      h("div", { class: "stage" }, this.frame),
      h("div", { class: "card-head" },
        h("h2", { id: title, class: "name", title: name }, name),
        h("button", { class: "icon", type: "button", "aria-label": `Remove ${name}`, click: () => this.remove(true) }, "×")),
      this.body));
    this.#say("waiting", h("p", { class: "soft" }, "Waiting for its turn"));
  }

  #thumbnail(name) {
    const picture = h("img", { src: this.address, alt: `Your picture ${name}`, decoding: "async" });
    picture.addEventListener("error", () => {
      picture.replaceWith(h("p", { class: "hole soft" }, "Your browser cannot show this file"));
    }, { once: true });
    return picture;
  }

  /** Ask the service, as long as asking is worth it. */
  async ask() {
    this.#say("waiting", h("p", { class: "soft busy" }, "Asking the service"));
    try {
      this.#answer(...await withKey(() => persist(() => this.#predict(), (...told) => this.#wait(...told), this.gone.signal)));
    } catch (error) {
      if (this.gone.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(error);
    }
  }

  /** Take the card away, and give up what is under way for it. */
  remove(hasFocus = false) {
    const neighbour = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.gone.abort();
    this.element.remove();
    URL.revokeObjectURL(this.address);
    this.pile.forget(this);
    if (hasFocus) (neighbour?.querySelector("button.icon") ?? document.getElementById("choose")).focus();
  }

  async #predict() {
    const start = performance.now();
    const answer = await askJson("predict", { method: "POST", body: this.file, signal: this.gone.signal });
    return [answer, performance.now() - start];
  }

  #wait(refusal, seconds, hurry) {
    const [title] = explain(refusal);
    if (this.countdown?.isConnected) {
      this.countdown.textContent = `${title}. Trying again in ${seconds} s.`;
      return;
    }
    this.countdown = h("p", { class: "countdown" }, `${title}. Trying again in ${seconds} s.`);
    const again = () => {
      this.countdown = null;
      this.#say("waiting", h("p", { class: "soft busy" }, "Asking the service"));
      hurry();
    };
    this.#say("waiting", this.countdown, h("button", { class: "quiet", type: "button", click: again }, "Try now"));
  }

  #refuse(refusal) {
    const [title, remedy] = explain(refusal);
    const again = h("button", { class: "quiet", type: "button", click: () => this.pile.enqueue(this) }, "Try again");
    this.#say("refused",
      h("p", { class: "refused" }, title),
      h("p", {}, remedy),
      detail(refusal) && h("p", { class: "soft small" }, detail(refusal)),
      isFinal(refusal) ? null : again);
  }

  #answer(answer, roundTripMs) {
    const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
    const rest = ranked.slice(SHOWN);
    const isUnsure = answer.confidence < UNSURE_BELOW && !answer.unlike_training;
    this.#say("answered",
      h("p", { class: "answer" }, h("strong", {}, answer.prediction), h("span", { class: "confidence" }, percent(answer.confidence))),
      answer.unlike_training ? h("p", { class: "warn" }, "Unlike the pictures that the model learnt from: do not rely on this answer.") : null,
      isUnsure ? h("p", { class: "warn" }, "The model is unsure.") : null,
      bars(toRows(ranked.slice(0, SHOWN))),
      rest.length ? h("details", {}, h("summary", {}, count(rest.length, "more class", "more classes")), bars(toRows(rest))) : null,
      h("p", { class: "soft small" }, `${milliseconds(answer.inference_time_ms)} in the model, ${milliseconds(roundTripMs)} there and back`),
      heatControls(this, ranked.map(([label]) => label)),
      correction(answer, ranked.map(([label]) => label)));
  }

  #say(state, ...content) {
    this.state = state;
    this.element.dataset.state = state;
    this.body.replaceChildren(...content.filter(Boolean));
    this.pile.changed();
  }
}

/** Whether the same picture would be refused again. */
function isFinal(refusal) {
  return refusal.status >= 400 && refusal.status < 500 && !refusal.willPass && refusal.kind !== "unauthorised";
}

function toRows(ranked) {
  return ranked.map(([label, probability]) => [label, probability, percent(probability)]);
}
