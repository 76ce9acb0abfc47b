/** Errors as the application gets them. */

import type { BelfryError, ClientErrorCode } from './types.js';

export interface FailureFacts {
  status?: number | null;
  retryable?: boolean;
  retryAfterMs?: number | null;
  docs?: string | null;
  cause?: unknown;
}

/** An error with a code. Without words of the server the code is the message. */
export function failure(code: ClientErrorCode, message: string = code, facts: FailureFacts = {}): BelfryError {
  const { status = null, retryable = false, retryAfterMs = null, docs = null, cause } = facts;
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { name: 'BelfryError' as const, code, status, retryable, retryAfterMs, docs });
}

/** Whether somebody made this error with `failure`. */
export const isFailure = (error: unknown): error is BelfryError =>
  error instanceof Error && error.name === 'BelfryError';

/** An error as it is, or wrapped. */
export const asFailure = (error: unknown, code: ClientErrorCode): BelfryError =>
  isFailure(error) ? error : failure(code, error instanceof Error ? error.message : String(error), { cause: error });

/** Whoever does not wait for it has `onError`: a click handler's rejected promise is no crash of the page. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
