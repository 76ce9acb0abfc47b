/** What a person does to alerts: shown at once, told over HTTP, taken back where that failed. */

import type { AlertId, Cursor, InboxStateAnswer, InboxStateBody, ItemState, StateChange } from '@belfry/protocol';
import type { Browser } from './browser.js';
import { changedState, type Inbox, sameState } from './inbox.js';
import type { Call } from './rest.js';
import type { Target } from './types.js';

const SEEN_EVERY_MS = 500;
const IDS_PER_CALL = 1_000;

export interface ChangesHost {
  inbox(): Inbox;
  /** These rows are not what they were. */
  changed(ids: Iterable<AlertId>): void;
  answered(answer: InboxStateAnswer): void;
  report(error: unknown): void;
}

export interface Changes {
  mark(target: Target, to: StateChange): Promise<void>;
  markUpTo(upTo: Cursor): Promise<void>;
  /** Gathered for half a second: rows scroll by in dozens. */
  seen(target: Target): Promise<void>;
}

/** The ids that a target names. */
export const idsOf = (target: Target): AlertId[] =>
  (Array.isArray(target) ? target : [target]).map((one: AlertId | { id: AlertId }) =>
    typeof one === 'string' ? one : one.id,
  );

export function createChanges(browser: Browser, call: Call, host: ChangesHost): Changes {
  const waiting = new Set<AlertId>();
  let sending: Promise<void> | null = null;

  /** Shows the change; gives back how to undo it where nothing newer came. */
  const expect = (ids: Iterable<AlertId>, to: StateChange): (() => void) => {
    const inbox = host.inbox();
    const shown: { id: AlertId; before: ItemState; after: ItemState; version: number | undefined }[] = [];
    for (const id of ids) {
      const row = inbox.rows.get(id);
      const after = row && changedState(row.state, to);
      if (!after || sameState(row.state, after)) continue;
      shown.push({ id, before: row.state, after, version: inbox.versions.get(id) });
      inbox.rows.set(id, { ...row, state: after });
    }
    host.changed(shown.map(({ id }) => id));
    return () => {
      for (const { id, before, after, version } of shown) {
        const row = inbox.rows.get(id);
        if (row?.state === after && inbox.versions.get(id) === version) inbox.rows.set(id, { ...row, state: before });
      }
      host.changed(shown.map(({ id }) => id));
    };
  };
  const tell = async (body: InboxStateBody): Promise<void> => {
    host.answered(await call<InboxStateAnswer>('POST', 'v1/inbox/state', body));
  };
  const optimistic = async (ids: AlertId[], to: StateChange, send: () => Promise<void>): Promise<void> => {
    const undo = expect(ids, to);
    try {
      await send();
    } catch (error) {
      undo();
      host.report(error);
      throw error;
    }
  };
  const flush = async (): Promise<void> => {
    await new Promise<void>((resolve) => browser.clock.setTimeout(resolve, SEEN_EVERY_MS));
    sending = null;
    const ids = [...waiting];
    waiting.clear();
    // Best effort: what was not told now is told when the row is seen again.
    for (let at = 0; at < ids.length; at += IDS_PER_CALL) {
      await tell({ ids: ids.slice(at, at + IDS_PER_CALL), state: 'seen' }).catch(() => {});
    }
  };

  return {
    mark(target, to) {
      const { rows } = host.inbox();
      const ids = idsOf(target).filter((id) => {
        const state = rows.get(id)?.state;
        const after = state && changedState(state, to);
        return !after || !sameState(state, after);
      });
      return optimistic(ids, to, async () => {
        for (let at = 0; at < ids.length; at += IDS_PER_CALL) {
          await tell({ ids: ids.slice(at, at + IDS_PER_CALL), state: to });
        }
      });
    },
    markUpTo(upTo) {
      const [, user, all] = upTo.split('.').map(Number);
      const end = { user: user ?? 0, all: all ?? 0 };
      const reached = [...host.inbox().rows.values()].filter((row) => row.seq <= end[row.stream]);
      return optimistic(
        reached.map((row) => row.id),
        'read',
        () => tell({ up_to: upTo, state: 'read' }),
      );
    },
    seen(target) {
      const { rows } = host.inbox();
      const fresh = idsOf(target).filter((id) => !rows.get(id)?.state.seen);
      if (fresh.length === 0) return Promise.resolve();
      expect(fresh, 'seen');
      for (const id of fresh) waiting.add(id);
      sending ??= flush();
      return sending;
    },
  };
}
