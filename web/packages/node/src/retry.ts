/** When a call is repeated. Pure: the caller waits. */

/** How what failed for the moment is repeated. */
export interface RetryPolicy {
  /** Repetitions after the first try; 0 never repeats. */
  readonly retries: number;
  /** The most that is waited after the first failure; it doubles with each one. */
  readonly firstMs: number;
  /** The most that is ever waited; a longer `Retry-After` ends the tries. */
  readonly mostMs: number;
}

/** Six tries in all, for ten seconds or so. */
export const usualRetries: RetryPolicy = { retries: 5, firstMs: 200, mostMs: 30_000 };

/** The wait after `failures` (from 1), or `null` when it is time to give up. `roll` is uniform over 0 ≤ roll < 1. */
export function delayAfter(
  policy: RetryPolicy,
  failures: number,
  retryAfterMs: number | null,
  roll: number,
): number | null {
  if (failures > policy.retries || (retryAfterMs ?? 0) > policy.mostMs) return null;
  const doubled = Math.min(policy.firstMs * 2 ** Math.min(failures - 1, 16), policy.mostMs);
  // The server's hint is the least; the jitter on top keeps all clients from coming back at once.
  return (retryAfterMs ?? 0) + doubled * roll;
}

/** Whether a status means "not now" rather than "no". */
export function isTransient(status: number): boolean {
  return [408, 409, 425, 429, 502, 503, 504].includes(status);
}

/** Reads `Retry-After` in its seconds form. */
export function retryAfterMs(value: string | null): number | null {
  return value !== null && /^\s*\d{1,9}\s*$/.test(value) ? Number(value) * 1_000 : null;
}
