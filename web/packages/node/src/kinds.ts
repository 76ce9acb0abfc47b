/** The application's kinds, as `belfry types` declares them, and alerts typed by them. */

import type { AlertAnswer, Audience, NewAlert as NewAlertBody } from '@belfry/protocol';

declare global {
  /** The application's kinds and their payloads. The file that `belfry types` writes fills it. */
  interface BelfryKinds {}
}

/** Any JSON object. */
export type JsonObject = { readonly [field: string]: unknown };

/** The declared kinds; where none are declared, any name with any object. */
export type Kinds = [keyof BelfryKinds] extends [never] ? Record<string, JsonObject> : BelfryKinds;

/** The name of a kind. */
export type Kind = keyof Kinds & string;

/** An alert to publish: the body of `POST /v1/alerts` but for its audience. */
export type NewAlert<K extends Kind = Kind> = Omit<NewAlertBody, 'to' | 'kind' | 'data' | 'expires_at'> & {
  kind: K;
  data: Kinds[K];
  /** When it stops to matter. */
  expires_at?: string | Date;
};

/** An alert of one of the declared kinds: `kind` tells which, and with it the type of `data`. */
export type AnyNewAlert = { [K in Kind]: NewAlert<K> }[Kind];

/** A person, several persons, or an audience as the HTTP reference has it. */
export type To = string | readonly string[] | Audience;

/** The alert is on the server's disk. */
export interface Receipt extends AlertAnswer {
  /** It was published before, with the same idempotency key: this is the first call's answer. */
  replayed: boolean;
}

/** What stands on the wire for a person or several. */
export function audienceOf(to: To): Audience {
  if (typeof to === 'string') return { user: to };
  return isList(to) ? { users: [...to] } : to;
}

function isList(to: readonly string[] | Audience): to is readonly string[] {
  return Array.isArray(to);
}

/**
 * The key that makes a repeated publish harmless: the alert's own, the id of the application's stored notification, or
 * a new one.
 */
export function idempotencyKeyOf(alert: { readonly idempotency_key?: string; readonly data?: unknown }): string {
  if (alert.idempotency_key !== undefined) return alert.idempotency_key;
  const id = (alert.data as JsonObject | null | undefined)?.['notification_id'];
  const usable = (typeof id === 'string' && id !== '') || typeof id === 'number';
  return usable ? String(id) : crypto.randomUUID();
}
