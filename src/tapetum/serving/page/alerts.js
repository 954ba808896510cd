// The state of the service's own alerts.

import { byId, h } from "./dom.js";
import { percent } from "./words.js";

const STATES = { firing: "firing", pending: "pending", ok: "quiet" };

/** Show /alerts/status; null is that it was not told. */
export function showAlerts(status) {
  const place = byId("alerts");
  if (!status) {
    place.replaceChildren(h("p", { class: "soft" }, "Not known: the service did not tell."));
    return;
  }
  const rows = status.alerts.map((alert) => h("tr", {},
    h("th", { scope: "row" }, spaced(alert.name)),
    h("td", {}, h("span", { class: `tag ${alert.state}` }, STATES[alert.state] ?? alert.state)),
    h("td", { class: "number" }, percent(alert.value)),
    h("td", { class: "number" }, `${alert.fires} ${percent(alert.threshold)}`),
    h("td", {}, alert.since ? new Date(alert.since).toLocaleString() : "–")));
  place.replaceChildren(
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-labelledby": "alerts-title" },
      h("table", {},
        h("thead", {}, h("tr", {}, ["Alert", "State", "Value", "Fires", "Since"].map((name, at) =>
          h("th", { scope: "col", class: at === 2 || at === 3 ? "number" : null }, name)))),
        h("tbody", {}, rows))),
    h("p", { class: "soft small" }, mailing(status)));
}

/** How many fire. */
export function firing(status) {
  return status?.alerts.filter((alert) => alert.state === "firing").length ?? 0;
}

function mailing({ account, reason, mails }) {
  if (!account) return `They are not mailed: ${reason}`;
  return `They are mailed to ${account.recipients.join(", ")}: ${mails.sent} sent, ${mails.waiting} waiting, ${mails.failed} failed.`;
}

function spaced(name) {
  return name.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ");
}
