// Asking again where a refusal will pass: after its Retry-After, longer each time, with some chance in it.

const MOST_TRIES = 7;
const MOST_WAIT_S = 30;

/**
 * What `attempt` gives, tried again as long as that is worth it. Throws its last Refusal.
 *
 * While it waits, `onWait(refusal, seconds, hurry)` is called each second; `hurry()` ends the wait.
 */
export async function persist(attempt, onWait, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (refusal) {
      if (!refusal.willPass || tries === MOST_TRIES) throw refusal;
      const seconds = Math.min(MOST_WAIT_S, (refusal.retryAfterS ?? 1) * 2 ** (tries - 1)) + Math.random() / 2;
      await countdown(seconds, (left, hurry) => onWait(refusal, left, hurry), signal);
    }
  }
}

function countdown(seconds, tell, signal) {
  return new Promise((resolve, reject) => {
    const end = performance.now() + seconds * 1000;
    let timer;
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      resolve();
    };
    const tick = () => {
      const left = (end - performance.now()) / 1000;
      if (left <= 0) return done();
      tell(Math.ceil(left), done);
      timer = setTimeout(tick, (left % 1) * 1000 || 1000);
      return undefined;
    };
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
    return tick();
  });
}
