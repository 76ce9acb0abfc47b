/** What a call rejects with. */

import type { ErrorCode, FieldFault, Problem } from '@belfry/protocol';
import { isProblem } from '@belfry/protocol';

/** Codes of this package, beside those of the server. */
export type NodeErrorCode =
  | ErrorCode
  /** The server could not be reached, or cannot take it right now, in all tries. */
  | 'unavailable'
  /** What answered does not speak like a Belfry server: check the URL and what stands between. */
  | 'answer-unexpected'
  /** The options or arguments cannot be used. */
  | 'misconfigured'
  /** The call's signal aborted. */
  | 'aborted'
  /** A webhook that was not signed with this secret, was changed, or is too old. */
  | 'webhook-invalid';

/** What the error says beside its code and message. */
export interface BelfryErrorInit {
  status?: number;
  retryable?: boolean;
  retryAfterMs?: number | null;
  docs?: string;
  errors?: readonly FieldFault[];
  attempts?: number;
  cause?: unknown;
}

/** A call failed. Compare `code`, never the message. */
export class BelfryError extends Error {
  override readonly name = 'BelfryError';
  /** The server's code, or one of this package. A later server may send one that this version does not know. */
  readonly code: NodeErrorCode;
  /** The HTTP status, where there was an answer. */
  readonly status: number | null;
  /** Whether the same call may succeed later, with the same idempotency key. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  /** The code's page. */
  readonly docs: string | null;
  /** Where in the body, one entry per fault. */
  readonly errors: readonly FieldFault[];
  /** How often it was tried. */
  readonly attempts: number;

  constructor(code: NodeErrorCode, message: string, init: BelfryErrorInit = {}) {
    super(message, init.cause === undefined ? {} : { cause: init.cause });
    this.code = code;
    this.status = init.status ?? null;
    this.retryable = init.retryable ?? false;
    this.retryAfterMs = init.retryAfterMs ?? null;
    this.docs = init.docs ?? null;
    this.errors = init.errors ?? [];
    this.attempts = init.attempts ?? 1;
  }

  /** The server's words, where `body` is a problem document. */
  static fromProblem(body: unknown, init: BelfryErrorInit = {}): BelfryError | null {
    if (!isProblem(body)) return null;
    const { code, detail, type, status, errors } = body as Problem;
    return new BelfryError(code, detail, { status, docs: type, errors: errors ?? [], ...init });
  }

  /** The same error after this many tries. */
  after(attempts: number): BelfryError {
    const { status, retryable, retryAfterMs, docs, errors, cause } = this;
    const init: BelfryErrorInit = { retryable, retryAfterMs, errors, attempts, cause };
    if (status !== null) init.status = status;
    if (docs !== null) init.docs = docs;
    return new BelfryError(this.code, this.message, init);
  }
}

/** A fault in options or arguments. */
export function misconfigured(message: string, cause?: unknown): BelfryError {
  return new BelfryError('misconfigured', message, { cause });
}
