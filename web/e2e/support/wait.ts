/** Waiting for what must become true. */

/** How long anything may take before it counts as missing. */
export const DEADLINE_MS = 10_000;
const LOOK_AGAIN_MS = 20;

/** Asks until the answer is something, and returns it; fails with what was waited for. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  deadlineMs: number = DEADLINE_MS,
): Promise<NonNullable<T> & Exclude<T, false | '' | 0>> {
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    const answer = await ask();
    if (answer) return answer as NonNullable<T> & Exclude<T, false | '' | 0>;
    last = answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs} ms; last: ${String(last)}`);
    await pause(LOOK_AGAIN_MS);
  }
}

/** Asks until the answer is this; fails with both. */
export async function becomes<T>(
  what: string,
  ask: () => T | Promise<T>,
  expected: T,
  deadlineMs?: number,
): Promise<void> {
  const wanted = JSON.stringify(expected);
  let last = '';
  try {
    await until(
      what,
      async () => {
        // What cannot be asked yet, such as a user whom the server does not know so far, may be asked again.
        last = await Promise.resolve()
          .then(ask)
          .then((answer) => JSON.stringify(answer), String);
        return last === wanted;
      },
      deadlineMs,
    );
  } catch {
    throw new Error(`${what}: ${last} instead of ${wanted}`);
  }
}

/** Looks again and again for as long as something must not happen. */
export async function never(what: string, ask: () => unknown | Promise<unknown>, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  do {
    const answer = await ask();
    if (answer) throw new Error(`${what}: ${JSON.stringify(answer)}`);
    await pause(LOOK_AGAIN_MS);
  } while (performance.now() < end);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
