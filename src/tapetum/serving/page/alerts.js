// The state of the service's own alerts.

import { byId, h } from "./dom.js";
import { clock, percent } from "./words.js";

const STATES = { firing: "firing", pending: "pending", ok: "quiet" };
const OF = {
  error_rate: "of the requests failed",
  confidence_average: "is the average confidence",
  confidence_minimum: "is the lowest confidence",
  accuracy_loss: "of accuracy lost, as estimated",
  drift: "of the statistics drifted",
  cpu: "of the processors are busy",
  memory: "of the memory is used",
  disk: "of the disk is used",
};

/** Show /alerts/status; null is that it was not told. */
export function showAlerts(status) {
  const place = byId("alerts");
  if (!status) {
    place.replaceChildren(h("p", { class: "soft" }, "Not known: the service did not tell."));
    return;
  }
  const urgency = ({ state }) => Object.keys(STATES).indexOf(state);
  const rows = [...status.alerts].sort((one, other) => urgency(one) - urgency(other)).map((alert) => h("tr", {},
    h("th", { scope: "row" }, spaced(alert.name)),
    h("td", {}, h("span", { class: `tag ${alert.state}` }, STATES[alert.state] ?? alert.state),
      alert.since ? h("p", { class: "soft small" }, `since ${day(alert.since)}`) : null),
    h("td", {}, alert.value == null ? "not known" : `${percent(alert.value)} ${OF[alert.metric] ?? ""}`,
      h("p", { class: "soft small" }, `fires ${alert.fires} ${Number((alert.threshold * 100).toFixed(1))} %`))));
  place.replaceChildren(
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-labelledby": "alerts-title" },
      h("table", {},
        h("thead", {}, h("tr", {}, ["Alert", "State", "What it watches"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, rows))),
    h("p", { class: "soft small" }, mailing(status)));
}

/** The names of those that fire. */
export function firing(status) {
  return status?.alerts.filter((alert) => alert.state === "firing").map((alert) => spaced(alert.name)) ?? [];
}

/** When that was; of today without the date. */
function day(text) {
  const time = new Date(text);
  return time.toDateString() === new Date().toDateString() ? clock(time) : time.toLocaleString();
}

function mailing({ account, reason, mails }) {
  if (!account) return `They are not mailed: ${reason}`;
  return `They are mailed to ${account.recipients.join(", ")}: ${mails.sent} sent, ${mails.waiting} waiting, ${mails.failed} failed.`;
}

function spaced(name) {
  return name.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ");
}
