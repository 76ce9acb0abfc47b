/** For applications that were written around a socket of their own: one client for the page, and the options they know. */

import { createClient } from './client.js';
import type { Client, ClientOptions } from './types.js';

/** The names of a hand-written hook, and every option of the client. */
export interface UseWebSocketOptions extends ClientOptions {
  /** Connect on mount; default `true`. */
  autoConnect?: boolean;
  /** Failed attempts until the state is `offline`. */
  maxReconnectAttempts?: number;
  /** The first wait in milliseconds; each further one is twice as long, up to 30 s. */
  reconnectDelay?: number;
}

const LONGEST_WAIT_MS = 30_000;

/** The same in the client's own words. */
export function clientOptions(options: UseWebSocketOptions): ClientOptions {
  const { autoConnect, maxReconnectAttempts, reconnectDelay, ...rest } = options;
  if (maxReconnectAttempts !== undefined) rest.maxAttempts = maxReconnectAttempts;
  if (reconnectDelay !== undefined && reconnectDelay > 0) {
    const backoff = [Math.min(reconnectDelay, LONGEST_WAIT_MS)];
    for (let wait = reconnectDelay * 2; backoff.at(-1) !== LONGEST_WAIT_MS; wait *= 2)
      backoff.push(Math.min(wait, LONGEST_WAIT_MS));
    rest.backoff = backoff;
  }
  return rest;
}

// A page without a provider has nowhere else to keep its client. On a server nobody holds it, so it knows nobody.
let configured: ClientOptions = {};
let client: Client | null = null;

/** Options of the default client. They count until it is first used. */
export function configureBelfry(options: ClientOptions): void {
  if (client === null) configured = { ...configured, ...options };
  else warnOfLateOptions(options);
}

/** The client of a page that gives none: this origin, signed in by cookie. */
export function defaultClient(): Client {
  client ??= createClient(configured);
  return client;
}

declare const process: { readonly env: { readonly NODE_ENV?: string } };

function warnOfLateOptions(options: ClientOptions): void {
  const late = Object.entries(options).filter(([name, value]) => differs(value, Reflect.get(configured, name)));
  if (late.length === 0 || isProduction()) return;
  const names = late.map(([name]) => name).join(', ');
  console.warn(
    `Belfry's default client is in use already: ${names} came too late. Call configureBelfry() at the start.`,
  );
}

/** Functions are made anew by every render, so they tell nothing. */
function differs(a: unknown, b: unknown): boolean {
  return typeof a !== 'function' && JSON.stringify(a) !== JSON.stringify(b);
}

function isProduction(): boolean {
  try {
    // Bundlers put the word in; without one there is no `process`.
    return process.env.NODE_ENV === 'production';
  } catch {
    return false;
  }
}
