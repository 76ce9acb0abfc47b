/** What is kept for the next visit: the position, the unread number, and a page where that was asked for. */

import { cursorText, parseCursor } from './cursor.js';
import type { Feed, FeedState } from './feed.js';
import type { ClientOptions, StorageSeam } from './types.js';
import { keptKey } from './values.js';

export interface Kept {
  keep(name: string): void;
  /** Resolves once the feed stands where this person's last one did. */
  restore(name: string): Promise<void>;
  /** Somebody signed out. */
  forget(name: string): void;
}

export function createKept({ history }: ClientOptions, storage: StorageSeam, feed: Feed): Kept {
  /** The chunk that only applications with a history load; whatever it fails at is as if nothing was kept. */
  const inHistory = async <T>(run: (chunk: typeof import('./history.js')) => Promise<T>): Promise<T | undefined> =>
    history === 'indexeddb' ? import('./history.js').then(run).catch(() => undefined) : undefined;

  return {
    keep(name) {
      const { at, unread } = feed.inbox();
      if (!at) return;
      storage.setItem(keptKey(name), `${cursorText(at)} ${unread}`);
      void inHistory((chunk) => chunk.keep(name, feed.state()));
    },
    async restore(name) {
      const mine = feed.inbox();
      if (mine.at) return;
      const [cursor, unread] = storage.getItem(keptKey(name))?.split(' ') ?? [];
      const at = parseCursor(cursor);
      const start = () => {
        if (at) feed.startAt(at, Number(unread) || 0);
      };
      // At once where nothing has to be waited for: the number is there for the first picture.
      if (history !== 'indexeddb') return start();
      const kept = await inHistory((chunk) => chunk.recall<FeedState>(name));
      // Somebody else by now, or the server was faster.
      if (feed.inbox() !== mine || mine.at) return;
      if (!kept || !feed.adopt(kept)) start();
    },
    forget(name) {
      storage.removeItem(keptKey(name));
      void inHistory((chunk) => chunk.keep(name, null));
    },
  };
}
