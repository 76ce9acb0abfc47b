/** What the tabs of a browser share, as much of it as is used here. */

import type { Browser } from '../browser.js';

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

/** What tabs need of the browser. */
export interface TabsOptions {
  /** Tabs with the same name share: see `tabsName`. */
  readonly name: string;
  /** `false`: every tab has a connection of its own. */
  readonly shared: boolean;
  readonly browser: Pick<Browser, 'clock' | 'random' | 'storage' | 'visible' | 'focused'>;
  /** Default: the browser's. May throw. */
  readonly locks?: () => LockSeam;
  /** Default: the browser's. May throw. */
  readonly channel?: (name: string) => ChannelSeam;
  /** Default: the page's. */
  readonly window?: EventTarget;
  readonly document?: EventTarget;
}
