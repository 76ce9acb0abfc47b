/** What an application asked of a test client. */

import type { BelfryError, Client } from '@belfry/client';

type MethodName = { [M in keyof Client]: Client[M] extends (...args: never[]) => unknown ? M : never }[keyof Client];

/** Methods that only listen or tell are not recorded: a test sees them by what they are told. */
type Recorded = Exclude<MethodName, 'now' | 'onMessage' | 'on' | 'onPresent' | 'list'>;

interface Nested {
  'preferences.load': Client['preferences']['load'];
  'preferences.set': Client['preferences']['set'];
  'push.enable': Client['push']['enable'];
  'push.disable': Client['push']['disable'];
}

type Methods = Pick<Client, Recorded> & Nested;

/** The name of a recorded method; `release` is what `hold()` returned. */
export type CallName = keyof Methods | 'release';

/** One call: `method` tells which, and with it the type of `args`. */
export type Call =
  | { [M in keyof Methods]: { readonly method: M; readonly args: Parameters<Methods[M]> } }[keyof Methods]
  | { readonly method: 'release'; readonly args: [] };

/** Calls that answer with a promise, and so can be made to fail. */
export type FailingCall = {
  [M in keyof Methods]: ReturnType<Methods[M]> extends Promise<unknown> ? M : never;
}[keyof Methods];

/** Records calls and lets chosen ones fail. */
export class CallLog {
  readonly calls: Call[] = [];
  readonly #failures = new Map<FailingCall, BelfryError[]>();

  record(call: Call): void {
    this.calls.push(call);
  }

  failNext(method: FailingCall, error: BelfryError): void {
    this.#failures.set(method, [...(this.#failures.get(method) ?? []), error]);
  }

  /** Throws what this call is to fail with, once. */
  mayFail(method: FailingCall): void {
    const error = this.#failures.get(method)?.shift();
    if (error !== undefined) throw error;
  }
}
