// Requests to the service: with the key where there is one, and with what went wrong as one kind of error.

const KEY = "tapetum-key";

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Why something was not answered; `kind` is the last word of the problem's type, or `away`. */
export class Refusal extends Error {
  constructor(kind, title, detail, { status = 0, retryAfterS = null, requestId = "" } = {}) {
    super(detail);
    Object.assign(this, { kind, title, status, retryAfterS, requestId });
  }

  /** Whether the same request may well be answered in a while. */
  get willPass() {
    return [0, 429, 503, 504].includes(this.status);
  }
}

/** The answer to a request. Throws a Refusal. */
export async function ask(path, { method = "GET", body, headers = {}, accept = "application/json", signal } = {}) {
  const sent = { Accept: accept, ...headers };
  if (key.get()) sent.Authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(path, { method, body, headers: sent, signal, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("away", "The service cannot be reached", "No answer came from the service.");
  }
  if (!response.ok) throw await toRefusal(response);
  return response;
}

/** The same, as JSON. */
export async function askJson(path, options) {
  const response = await ask(path, options);
  try {
    return await response.json();
  } catch {
    throw new Refusal("away", "The service cannot be reached", "The answer broke off, or is none of this service.");
  }
}

async function toRefusal(response) {
  const problem = await response.json().catch(() => ({}));
  const kind = (problem.type ?? "").split(":").pop() || `status-${response.status}`;
  const after = Number(response.headers.get("Retry-After"));
  return new Refusal(kind, problem.title ?? `The answer was ${response.status}`, problem.detail ?? "", {
    status: response.status,
    retryAfterS: after > 0 ? after : null,
    requestId: problem.request_id ?? "",
  });
}
