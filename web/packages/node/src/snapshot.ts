/** Unread number and first page of a person, for a page that a server renders. */

import type { InboxPage, Item } from '@belfry/protocol';
import type { Kind, Kinds } from './kinds.js';

/** An alert as `@belfry/client` has it. */
export interface SnapshotAlert<K extends Kind = Kind> {
  readonly id: string;
  readonly kind: K;
  readonly data: Kinds[K];
  readonly title: string;
  readonly body: string | null;
  readonly severity: Item['severity'];
  readonly category: string;
  readonly link: string | null;
  readonly image: string | null;
  readonly actions: NonNullable<Item['actions']>;
  readonly thread: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly quiet: boolean;
  readonly stream: Item['stream'];
  readonly seq: number;
  readonly state: NonNullable<Item['state']>;
}

/** An alert of one of the declared kinds. */
export type AnySnapshotAlert = { [K in Kind]: SnapshotAlert<K> }[Kind];

/** For `initial` of the providers of `@belfry/react` and `@belfry/solid`. */
export interface Snapshot {
  readonly unread: number;
  /** Newest first. Missing where only the number could be read: an API key may not read an inbox. */
  readonly alerts?: readonly AnySnapshotAlert[];
}

/** What a page of `GET /v1/inbox` shows. */
export function snapshotOf(page: InboxPage): Snapshot {
  return { unread: page.unread, alerts: page.items.map(alertOf) };
}

function alertOf(item: Item): AnySnapshotAlert {
  const alert: Omit<SnapshotAlert, 'kind' | 'data'> & { kind: string; data: Item['data'] } = {
    id: item.id,
    kind: item.type,
    data: item.data,
    title: item.title,
    body: item.body,
    severity: item.severity,
    category: item.category,
    link: item.link,
    image: item.image ?? null,
    actions: item.actions ?? [],
    thread: item.thread,
    createdAt: item.timestamp,
    expiresAt: item.expires_at,
    quiet: item.quiet,
    stream: item.stream,
    seq: item.seq,
    state: item.state ?? { seen: false, read: false, archived: false, acted: false },
  };
  // The server validated data against the kind; that is what the declared types say.
  return alert as unknown as AnySnapshotAlert;
}
