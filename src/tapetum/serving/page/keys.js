// The dialog that asks for a key, once for all who wait for one.

import { key } from "./api.js";
import { byId } from "./dom.js";

const dialog = byId("key-dialog");
const field = byId("key-field");
let asked = null;

/** Whether the user gave a key; `refused` is the Refusal that a key was the answer to. */
export function giveKey(refused = null) {
  byId("key-wrong").textContent = refused && key.get() ? "That key does not open this service." : "";
  if (asked) return asked;
  field.value = "";
  byId("key-forget").hidden = !key.get();
  dialog.showModal();
  asked = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      asked = null;
      resolve(dialog.returnValue === "given");
    }, { once: true });
  });
  return asked;
}

/** Show the button in the head of the page from now on. */
export function showKeyButton() {
  const button = byId("key");
  button.hidden = false;
  button.textContent = key.get() ? "Change key" : "Enter a key";
}

/** What `attempt` gives, asking for a key as often as one is needed. Throws its Refusal where none is given. */
export async function withKey(attempt) {
  for (;;) {
    const tried = key.get();
    try {
      return await attempt();
    } catch (refusal) {
      if (refusal.kind !== "unauthorised") throw refusal;
      showKeyButton();
      // Another may have given a key meanwhile.
      if (key.get() === tried && !(await giveKey(refusal))) throw refusal;
    }
  }
}

/** Wire the dialog; `onChange` is called when there is another key, or none. */
export function wireKeys(onChange) {
  const end = (outcome) => dialog.close(outcome);
  byId("key").addEventListener("click", () => giveKey());
  byId("key-cancel").addEventListener("click", () => end("declined"));
  dialog.addEventListener("cancel", () => { dialog.returnValue = "declined"; });
  byId("key-forget").addEventListener("click", () => {
    key.forget();
    end("forgotten");
    showKeyButton();
    onChange();
  });
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = field.value.trim();
    // What cannot stand in a header can be no key.
    if (!/^[\x21-\x7e]+$/.test(given)) {
      byId("key-wrong").textContent = given ? "A key has no spaces and no accents." : "Enter a key first.";
      field.focus();
      return;
    }
    key.set(given);
    end("given");
    showKeyButton();
    onChange();
  });
}
