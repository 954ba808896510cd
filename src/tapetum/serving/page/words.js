// Numbers and refusals in the words of people.

const WHOLE = new Intl.NumberFormat("en");

export function count(number, one, many = `${one}s`) {
  return `${WHOLE.format(number)} ${number === 1 ? one : many}`;
}

/** A share from 0 to 1; never 100 % or 0 % of what is not all or nothing. */
export function percent(share, digits = 1) {
  if (share == null) return "–";
  const least = 10 ** -(digits + 2) / 2;
  if (share > 0 && share < least) return `< ${(10 ** -digits).toFixed(digits)} %`;
  if (share < 1 && share > 1 - least) return `> ${(100 - 10 ** -digits).toFixed(digits)} %`;
  return `${(share * 100).toFixed(digits)} %`;
}

export function milliseconds(value) {
  if (value == null) return "–";
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

export function bytes(value) {
  return value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${(value / 1e6).toFixed(0)} MB`;
}

export function number(value) {
  if (value == null) return "–";
  return value >= 100 ? WHOLE.format(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export function clock(date) {
  return new Date(date).toLocaleTimeString();
}

// By the last word of a problem's type: what it is, and what to do about it.
const PROBLEMS = {
  "not-a-picture": ["This is not a picture", "Choose a JPEG, PNG, WebP, GIF, BMP or TIFF file."],
  "broken-picture": ["The picture is damaged", "Open it and save it anew, or take it again."],
  "empty-picture": ["The file is empty", "Choose another, or copy it again from where it came."],
  "missing-picture": ["The file is empty", "Choose another, or copy it again from where it came."],
  "body-too-large": ["The file is too large", "Save a smaller version of the picture and choose that."],
  "too-many-pixels": ["The picture has too many pixels", "Scale it down and choose the smaller one."],
  unauthorised: ["A key is needed", "Try again, and enter a key that opens this service."],
  overloaded: ["The service is full", "Try again in a while."],
  "too-many-connections": ["The service is full", "Try again in a while."],
  "not-ready": ["The service is not ready", "Its model is still being loaded. Try again in a while."],
  "deadline-passed": ["It took too long", "The service is busy. Try again in a while."],
  "request-too-slow": ["The picture arrived too slowly", "Try again where the line is better."],
  "worker-lost": ["The picture was lost", "Try once more; if it happens again, the picture is the cause."],
  "switched-off": ["This is switched off here", "Whoever runs the service can switch it on."],
  away: ["The service cannot be reached", "Look at your connection, then try again."],
};

const FOR_PROGRAMS = ["missing-picture", "unauthorised", "away"]; // whose details speak of HTTP

/** What the service itself said of a refusal, where that tells people more; null where it does not. */
export function detail(refusal) {
  return FOR_PROGRAMS.includes(refusal.kind) || refusal.message === explain(refusal)[1] ? null : refusal.message || null;
}

/** What is wrong, and what to do: [title, remedy]. */
export function explain(refusal) {
  if (refusal.kind === "internal-error") return [refusal.title, `Tell whoever runs the service; the request's id is ${refusal.requestId}.`];
  return PROBLEMS[refusal.kind] ?? [refusal.title, refusal.message];
}
