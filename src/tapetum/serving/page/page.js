// The page put together: views, keys, pictures, charts and the model.

import { firing, showAlerts } from "./alerts.js";
import { byId } from "./dom.js";
import { wireKeys } from "./keys.js";
import { showLive, wireLive } from "./live.js";
import { showModel } from "./model.js";
import { wirePictures } from "./pictures.js";
import { watch } from "./watch.js";
import { clock, count } from "./words.js";

const VIEWS = ["pictures", "live", "model"];
const PARTS = { alerts: "live" }; // places within a view that a link leads to

let version = null;

function showView(hasMoved) {
  const name = location.hash.slice(1);
  const wanted = VIEWS.find((view) => view === (PARTS[name] ?? name)) ?? VIEWS[0];
  if (!hasMoved || wanted !== VIEWS[0] || ["", VIEWS[0]].includes(name)) {
    for (const view of VIEWS) byId(`view-${view}`).hidden = view !== wanted;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === `#${wanted}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (hasMoved) byId(`${PARTS[name] ? name : wanted}-title`).focus();
  }
}

function showState({ at, isAway, refusals, ready, alerts, model }) {
  const state = byId("state");
  const fires = firing(alerts);
  const reason = ready?.reason;
  const [kind, words] = isAway ? ["bad", "Service away"]
    : refusals.ready?.status === 503 ? ["warn", "Not ready"]
    : reason ? ["warn", "Not ready"]
    : fires.length ? ["bad", `${count(fires.length, "alert")} firing`]
    : model?.health.verdict === "unhealthy" ? ["bad", "Unhealthy"]
    : model?.health.verdict === "degraded" ? ["warn", "Degraded"]
    : ready ? ["good", "Ready"] : ["soft", "A key is needed"];
  if (state.textContent !== words) state.textContent = words;
  state.className = `state ${kind}`;
  state.hash = fires.length ? "alerts" : "live";
  state.title = reason ?? (fires.join(", ") || model?.health.reasons.join("; ") || "");
  const away = byId("away");
  if (isAway && away.hidden) away.textContent = `The service has not answered since ${clock(at)}. This page goes on asking; what you see below is from before.`;
  away.hidden = !isAway;
}

async function renewModel() {
  version = await showModel();
}

wireLive();
const watching = watch((looks) => {
  const now = looks.at(-1);
  showState(now);
  showLive(looks);
  if (!now.isAway) showAlerts(now.alerts);
  // Another model since, or none could be told of before.
  if (now.model?.model && now.model.model.version !== version && !document.querySelector("dialog[open]")) renewModel();
});
wireKeys(() => {
  renewModel();
  watching.look();
});
wirePictures(() => watching.soon());
addEventListener("hashchange", () => showView(true));
showView(false);
renewModel();
