// Looks at the service every few seconds while the page can be seen, and remembers the last ten minutes of them.

import { askJson } from "./api.js";

export const EVERY_MS = 5000;
export const GAP_MS = 4 * EVERY_MS;
const SOON_MS = 700;
const SLOWEST_MS = 30_000;
const KEPT_MS = 600_000;
const PATHS = { ready: "ready", api: "api-stats", model: "model-stats", system: "system-info", alerts: "alerts/status" };

/**
 * Call `onLook(looks)` after each look. A look has its time `at` and, by the names of `PATHS`, an answer or null;
 * `refusals` has the Refusal of each that was refused.
 */
export function watch(onLook) {
  let looks = [];
  let timer = null;
  let away = 0;
  let isLooking = false;

  async function look() {
    clearTimeout(timer);
    if (document.hidden || isLooking) return;
    isLooking = true;
    const found = { at: Date.now(), refusals: {} };
    await Promise.all(Object.entries(PATHS).map(async ([name, path]) => {
      try {
        found[name] = await askJson(path);
      } catch (refusal) {
        found[name] = null;
        found.refusals[name] = refusal;
      }
    }));
    isLooking = false;
    found.isAway = Object.values(found.refusals).some((refusal) => refusal.kind === "away");
    away = found.isAway ? away + 1 : 0;
    looks = [...looks, found].filter((one) => found.at - one.at <= KEPT_MS);
    onLook(looks);
    timer = setTimeout(look, Math.min(SLOWEST_MS, EVERY_MS * 2 ** away));
  }

  document.addEventListener("visibilitychange", look);
  look();
  return {
    look,
    /** Look in a moment: something has just changed. */
    soon: () => {
      clearTimeout(timer);
      timer = setTimeout(look, SOON_MS);
    },
  };
}
