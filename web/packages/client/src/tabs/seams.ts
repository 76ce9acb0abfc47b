/** What the tabs of a browser share, as much of it as is used here. `browser.ts` has the real ones. */

import type { Clock, StorageSeam, Unsubscribe } from '../types.js';

/** `navigator.locks`. */
export interface LockSeam {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean; ifAvailable?: boolean },
    granted: (lock: unknown) => unknown,
  ): Promise<unknown>;
}

/** A `BroadcastChannel`. */
export interface ChannelSeam {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The page: whether somebody can see it, and the events of its `window`, which are listened to while they go down. */
export interface Page {
  visible(): boolean;
  focused(): boolean;
  listen(type: string, listener: (event: { readonly persisted?: boolean }) => void): Unsubscribe;
}

/** What tabs need of the browser. */
export interface TabsOptions {
  /** Tabs with the same name share: see `tabsName`. */
  readonly name: string;
  /** `false`: every tab has a connection of its own. */
  readonly shared: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly page: Page;
  /** May throw, or give nothing. */
  readonly locks: () => LockSeam | undefined;
  /** May throw. */
  readonly channel: (name: string) => ChannelSeam;
  /** May throw, or give nothing. */
  readonly storage: () => StorageSeam | undefined;
}
