/** Status webhooks: who posted them, and what they say. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { StatusEvent } from '@belfry/protocol';
import { BelfryError } from './error.js';

/** Headers as Node, Express, or a `Request` has them. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** What was posted, and the id that is the same for every try: remember it, and a repeated post does nothing. */
export type WebhookEvent = { readonly id: string } & (
  | StatusEvent
  | { readonly type: 'alert.notice'; readonly timestamp: string; readonly data: Readonly<Record<string, unknown>> }
);

/** How strict it is. */
export interface VerifyOptions {
  /** Older or later than this is refused. Default 300,000. */
  toleranceMs?: number;
  /** The time, in milliseconds. Default: the system's. */
  now?: () => number;
}

/**
 * Verifies a webhook as Standard Webhooks describes and gives what it says. `body` is the body as it came: parsed and
 * printed again it is another one. Several secrets while one replaces the other. Throws `BelfryError`,
 * code `webhook-invalid`.
 */
export function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): WebhookEvent {
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature');
  if (!/^\d{1,12}$/.test(timestamp)) throw invalid('`webhook-timestamp` is no time');
  const age = Math.abs((options.now ?? Date.now)() - Number(timestamp) * 1_000);
  if (age > (options.toleranceMs ?? 300_000)) throw invalid('it is too old, or a clock is wrong');
  const secrets = typeof secret === 'string' ? [secret] : secret;
  const known = secrets.map((one) => sign(one, id, timestamp, body));
  // Every pair is compared, so that the time tells nothing about which one fits.
  const fits = signatures.split(' ').flatMap((given) => known.map((wanted) => sameText(given, wanted)));
  if (!fits.includes(true)) throw invalid('no signature fits');
  return { id, ...read(body) };
}

function header(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : find(headers, name);
  const text = Array.isArray(value) ? value[0] : value;
  if (typeof text !== 'string' || text === '') throw invalid(`the header \`${name}\` is missing`);
  return text;
}

function find(headers: Exclude<WebhookHeaders, Headers>, name: string): string | readonly string[] | undefined {
  const key = Object.keys(headers).find((one) => one.toLowerCase() === name);
  return key === undefined ? undefined : headers[key];
}

function sign(secret: string, id: string, timestamp: string, body: string | Uint8Array): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  if (key.length === 0) throw invalid('the secret is no `whsec_…`');
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
  return `v1,${mac.digest('base64')}`;
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function read(body: string | Uint8Array): Omit<WebhookEvent, 'id'> & StatusEvent {
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BelfryError('webhook-invalid', 'the body is no JSON', { cause: error });
  }
}

function invalid(why: string): BelfryError {
  return new BelfryError('webhook-invalid', `the webhook is not accepted: ${why}`);
}
