// Saying what a picture really shows, where the service takes that.

import { Refusal, askJson } from "./api.js";
import { fresh, h, told } from "./dom.js";
import { withKey } from "./keys.js";
import { explain } from "./words.js";

const NOT_OFFERED = ["not-found", "switched-off", "method-not-allowed"];
let isOffered = told("offered").split(" ").includes("/feedback");

/** A control that tells the service the right class of an answer; null where it takes none. */
export function correction(answer, labels) {
  if (!isOffered) return null;
  const choice = h("select", { id: fresh("right") }, labels.map((label) => h("option", {}, label)));
  choice.value = labels.find((label) => label !== answer.prediction) ?? answer.prediction;
  const said = h("p", { class: "small", role: "status" });
  const send = h("button", { class: "quiet", type: "submit" }, "Tell the service");
  const form = h("form", { class: "correction-form" },
    h("label", { for: choice.id }, "It shows"), choice, send);
  const element = h("details", { class: "correction" }, h("summary", {}, "Is this right?"), form, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = JSON.stringify({ request_id: answer.request_id, label: choice.value });
    send.disabled = true;
    try {
      await withKey(() => askJson("feedback", { method: "POST", body, headers: { "Content-Type": "application/json" } }));
      form.hidden = true;
      said.textContent = `Noted as ${choice.value}. Thank you.`;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      isOffered = !NOT_OFFERED.includes(error.kind);
      said.textContent = explain(error).join(". ");
    } finally {
      send.disabled = false;
    }
  });
  return element;
}
