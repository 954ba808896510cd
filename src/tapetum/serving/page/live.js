// How the service does: charts of its traffic, its model and its machine.

import { barChart, lineChart } from "./chart.js";
import { byId, h } from "./dom.js";
import { giveKey } from "./keys.js";
import { GAP_MS } from "./watch.js";
import { bytes, clock, count, milliseconds, number, percent } from "./words.js";

const MOST_CLASSES = 8;
const GRADES = { none: "no drift", drift: "drift", loss: "drift that costs accuracy" };
const NO_REQUESTS = "No data yet: no request in the last minute.";
const NO_PREDICTIONS = "No data yet: no picture in the last minute.";

const share = (value) => percent(value, Math.abs(value * 100 - Math.round(value * 100)) > 1e-9 && value < 0.1 ? 1 : 0);

const CHARTS = [
  lineChart({
    title: "Traffic", note: "Requests a second, without those of monitoring.", top: 1, none: NO_REQUESTS,
    format: number, lines: [{ name: "requests/s", of: (look) => look.api?.requests_per_s }],
  }),
  lineChart({
    title: "Errors", note: "Shares of all requests.", top: 0.05, format: share, none: NO_REQUESTS,
    lines: [
      { name: "the service failed", of: (look) => look.api?.error_rate },
      { name: "the caller must mend", of: (look) => look.api?.client_error_rate },
    ],
  }),
  lineChart({
    title: "Latency", note: "From a request's head to the end of its answer.", top: 10, format: milliseconds, none: NO_REQUESTS,
    lines: [
      { name: "half within (p50)", of: (look) => look.api?.latency_ms?.p50 },
      { name: "99 of 100 within (p99)", of: (look) => look.api?.latency_ms?.p99 },
    ],
  }),
  barChart({
    title: "Confidence", note: "Predictions by the probability of their class.", head: ["Confidence", "Predictions"],
    none: () => NO_PREDICTIONS, isUpright: true,
    values: ({ model }) => model ? [["mean", percent(model.confidence?.mean)], [`below ${percent(model.low_confidence_below, 0)}`, String(model.low_confidence)]] : [],
    rows: (look) => look.model?.confidence_histogram.map((bin) =>
      [`${percent(bin.low, 0)} to ${percent(bin.high, 0)}`, bin.count / (look.model.predictions || 1), String(bin.count)]),
  }),
  barChart({
    title: "Classes", note: "How often each was the answer.", head: ["Class", "Predictions"], none: () => NO_PREDICTIONS, most: MOST_CLASSES,
    rows: (look) => Object.entries(look.model?.classes ?? {})
      .sort(([, one], [, other]) => other.count - one.count)
      .map(([name, found]) => [name, found.share ?? 0, `${found.count} (${share(found.share)})`]),
  }),
  lineChart({
    title: "Machine", note: "Shares in use of what the service may use.", top: 1, format: share,
    none: "No data yet: the machine was not looked at.",
    lines: [
      { name: "processors", of: (look) => look.system?.cpu.share },
      { name: "memory", of: (look) => look.system?.memory?.share },
    ],
  }),
];

// Only of a service that tells of it.
const DRIFT = barChart({
  title: "Drift", note: "How far what comes lies from the training data; drift begins at 1 ×, a full bar.",
  head: ["Statistic", "Distance by threshold"], isBroad: true,
  none: ({ model }) => (model.drift.state === "no profile"
    ? "No data: the bundle has no profile of its training data."
    : `No data yet: ${count(model.drift.predictions, "prediction")} so far, and a verdict takes 500.`),
  values: ({ model }) => values(model?.drift?.verdict),
  rows: ({ model }) => Object.entries(model?.drift?.verdict?.distances ?? {})
    .filter(([, { value }]) => value != null)
    .map(([name, { value, threshold }]) => [name.replaceAll("_", " "), value / threshold])
    .sort(([, one], [, other]) => other - one)
    .map(([name, ratio]) => [name, Math.min(1, Math.max(0, ratio)), `${ratio.toFixed(2)} ×`]),
});

// Only of a service that asks one.
const CHALLENGER = barChart({
  title: "Challenger", note: "Another model, asked about the same pictures, that never answers. Bars are the time to decode and compute.",
  head: ["Model", "Time"], isBroad: true,
  none: () => "No data yet: it was asked about no picture.",
  values: ({ model: { shadow } }) => [
    ["version", shadow.model.version],
    ["the same class as the served model", percent(shadow.agreement)],
    ["compared", number(shadow.compared)],
    ["skipped", number(shadow.skipped)],
    shadow.trouble ? ["not asked now", shadow.trouble] : null,
  ].filter(Boolean),
  rows: ({ model: { shadow } }) => {
    const { champion, challenger } = shadow.latency_ms ?? {};
    const slowest = Math.max(champion?.p95, challenger?.p95);
    return champion && ["p50", "p95"].flatMap((quantile) =>
      [["served", champion], ["challenger", challenger]].map(([who, times]) =>
        [`${quantile} ${who}`, times[quantile] / slowest, milliseconds(times[quantile])]));
  },
});

function values(verdict) {
  if (!verdict) return [];
  const accuracy = verdict.accuracy ? percent(verdict.accuracy.value) : `at most ${percent(verdict.accuracy_at_most)}`;
  return [["verdict", GRADES[verdict.grade]], ["accuracy, estimated", accuracy], ["unlike the training data", percent(verdict.unlike_share)]];
}

/** Put the charts on the page. */
export function wireLive() {
  byId("charts").append(...[...CHARTS, DRIFT, CHALLENGER].map((chart) => chart.element));
}

/** Draw what was seen so far. */
export function showLive(looks) {
  const now = looks.at(-1);
  const good = looks.filter((look) => !look.isAway);
  byId("charts").classList.toggle("stale", now.isAway);
  notice(now);
  if (!good.length) return;
  for (const chart of CHARTS) chart.show(good, GAP_MS);
  for (const [chart, of] of [[DRIFT, "drift"], [CHALLENGER, "shadow"]]) {
    chart.element.hidden = !good.at(-1).model?.[of];
    if (!chart.element.hidden) chart.show(good);
  }
  byId("looked").textContent = describe(good.at(-1));
}

function describe({ at, api, model, system }) {
  const parts = [
    api && `${count(api.requests, "request")} and ${count(model?.predictions ?? 0, "prediction")} in the last ${Math.round(api.covered_s)} s`,
    system && `${count(system.cpu.cores, "core")}${system.memory ? ` and ${bytes(system.memory.total_bytes)} of memory` : ""} on ${system.host}`,
  ];
  return [...parts.filter(Boolean), `As of ${clock(at)}`].map((part) => `${part}.`).join(" ");
}

function notice({ refusals }) {
  const place = byId("live-notice");
  const isClosed = refusals.api?.kind === "unauthorised";
  byId("charts").hidden = isClosed;
  if (!isClosed) place.replaceChildren();
  else if (!place.children.length) {
    place.append(h("div", { class: "notice" },
      h("p", {}, "These figures are for who has a key; where there are keys of operators, for who has one of those."),
      h("button", { class: "quiet", type: "button", click: () => giveKey(refusals.api) }, "Enter a key")));
  }
}
