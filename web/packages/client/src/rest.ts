/** Calls over HTTP: a credential goes with each, and a problem document comes back as an error. */

import { type ErrorCode, isProblem } from '@belfry/protocol';
import type { Browser } from './browser.js';
import { asFailure, failure } from './failure.js';
import type { Tokens } from './token.js';
import type { BelfryError } from './types.js';

/** Calls `path` below the server's base. Rejects with a `BelfryError`; a refused token is renewed once. */
export type Call = <T>(method: string, path: string, body?: unknown, signal?: AbortSignal) => Promise<T>;

export function createCall(browser: Browser, tokens: Tokens): Call {
  const once = async (method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> => {
    const headers: Record<string, string> = {};
    const token = await tokens.current();
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    const init: RequestInit = { method, headers, credentials: 'include' };
    if (signal) init.signal = signal;
    if (body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(body);
    }
    try {
      return await browser.fetch(new URL(path, browser.base), init);
    } catch (error) {
      throw failure('offline', asFailure(error, 'offline').message, { retryable: true, cause: error });
    }
  };
  return async <T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> => {
    let answer = await once(method, path, body, signal);
    if (answer.status === 401 && (await tokens.renew('rejected'))) answer = await once(method, path, body, signal);
    if (!answer.ok) throw await refusal(answer);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  };
}

/** What the server said in an answer that is none of success. */
export async function refusal(answer: Response): Promise<BelfryError> {
  const body: unknown = await answer.json().catch(() => null);
  const { status } = answer;
  const after = Number(answer.headers.get('retry-after'));
  const facts = {
    status,
    retryable: status === 429 || status >= 500,
    retryAfterMs: after > 0 ? after * 1_000 : null,
    docs: isProblem(body) ? body.type : null,
  };
  return isProblem(body)
    ? failure(body.code as ErrorCode, body.detail, facts)
    : failure('request-failed', `HTTP ${status}`, facts);
}
