/** Alerts and errors as a test needs them: whole, with everything it does not care about filled in. */

import type { Alert, AnyAlert, BelfryError, ClientErrorCode, Kind, Kinds } from '@belfry/client';

/** What a test says of an alert beside kind and data. */
export type AlertOverrides<K extends Kind = Kind> = Partial<Omit<Alert<K>, 'kind' | 'data' | 'state'>> & {
  readonly state?: Partial<Alert['state']>;
};

/** An alert of this kind: unread, of severity `info`, number 1 of the user's stream where nothing else is said. */
export function testAlert<K extends Kind>(kind: K, data: Kinds[K], overrides: AlertOverrides<K> = {}): Alert<K> {
  const { state, ...rest } = overrides;
  const stream = rest.stream ?? 'user';
  const seq = rest.seq ?? 1;
  return {
    id: alertId(stream, seq),
    kind,
    data,
    title: words(kind),
    body: null,
    severity: 'info',
    category: kind,
    link: null,
    image: null,
    actions: [],
    thread: null,
    createdAt: '2026-01-01T00:00:00Z',
    expiresAt: null,
    quiet: false,
    stream,
    seq,
    ...rest,
    state: { seen: false, read: false, archived: false, acted: false, ...state },
  };
}

/** What the client rejects with, or shows as the reason of a lost connection. */
export function testError(code: ClientErrorCode, more: Partial<Omit<BelfryError, 'name' | 'code'>> = {}): BelfryError {
  const error = new Error(more.message ?? words(code));
  const known = { status: null, retryable: true, retryAfterMs: null, docs: null };
  return Object.assign(error, known, more, { name: 'BelfryError' as const, code });
}

/** An id that is a UUIDv7 in form, and the same for the same place. */
export function alertId(stream: Alert['stream'], seq: number): string {
  const place = seq.toString(16).padStart(12, '0');
  return `00000000-0000-7000-8${stream === 'user' ? '0' : 'a'}00-${place}`;
}

/** `exposure-detected` → `Exposure detected`. */
export function words(slug: string): string {
  const text = slug.replace(/[-_]+/g, ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** One alert of any kind as the union that the client's lists hold. */
export function asAny<K extends Kind>(alert: Alert<K>): AnyAlert {
  return alert as unknown as AnyAlert;
}
