/** Every way to the outside. Nothing is touched until it is called, and whatever a browser refuses is `undefined`. */

import type { ClientOptions, Clock, StorageSeam, Unsubscribe } from './types.js';

/** What the client uses of the place it runs in. */
export interface Browser {
  readonly clock: Clock;
  /** 0 ≤ n < 1. */
  readonly random: () => number;
  readonly storage: StorageSeam;
  readonly fetch: typeof fetch;
  readonly WebSocket: typeof WebSocket | undefined;
  /** The server's base, with a slash at the end. Throws on a server, where no page says it. */
  readonly base: URL;
  visible(): boolean;
  focused(): boolean;
  /** A browser on a phone, where a hidden page is better off without a connection. */
  mobile(): boolean;
}

/** The result, or `undefined` where it throws: storage, locks and the like do in sandboxed frames. */
export function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** The page's window; `undefined` on a server and in a worker. */
export const pageWindow = (): Window | undefined => attempt(() => window);

/** The page's document; `undefined` on a server and in a worker. */
export const pageDocument = (): Document | undefined => attempt(() => document);

/** Listens to several events of one target, which may be missing. */
export function listen(
  target: EventTarget | undefined,
  types: readonly string[],
  listener: (event: Event) => void,
): Unsubscribe {
  for (const type of types) target?.addEventListener(type, listener);
  return () => {
    for (const type of types) target?.removeEventListener(type, listener);
  };
}

/** Whether a media query holds; `false` where nobody can say. */
export const matches = (query: string): boolean => attempt(() => matchMedia(query).matches) ?? false;

/** An id that no other tab has. `randomUUID` is missing on plain http. */
export function randomId(): string {
  const bytes = attempt(() => crypto.getRandomValues(new Uint32Array(4))) ?? [Math.random() * 2 ** 32, Date.now()];
  return Array.from(bytes, (n) => Math.floor(n).toString(36)).join('');
}

const systemClock: Clock = {
  now: () => Date.now(),
  // A longer wait than 2³¹ - 1 ms would be over at once.
  setTimeout: (run, ms) => setTimeout(run, Math.min(Math.max(ms, 0), 2 ** 31 - 1)),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** The browser's storage, or nothing that lasts where it is refused or full. */
function guarded(seam: StorageSeam | undefined): StorageSeam {
  const storage = () => seam ?? localStorage;
  return {
    getItem: (key) => attempt(() => storage().getItem(key)) ?? null,
    setItem: (key, value) => attempt(() => storage().setItem(key, value)),
    removeItem: (key) => attempt(() => storage().removeItem(key)),
  };
}

/** The place the client runs in. Nothing is looked at before it is asked for. */
export function openBrowser(options: ClientOptions): Browser {
  let base: URL | undefined;
  return {
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    storage: guarded(options.storage),
    // Called as a plain function: `fetch` refuses any other `this`.
    fetch: (input, init) => (options.fetch ?? fetch)(input, init),
    get WebSocket() {
      return options.WebSocket ?? attempt(() => WebSocket);
    },
    get base() {
      if (!base) {
        base = new URL(
          String(options.url ?? '/'),
          attempt(() => location.href),
        );
        if (!base.pathname.endsWith('/')) base.pathname += '/';
      }
      return base;
    },
    visible: () => (pageDocument()?.visibilityState ?? 'visible') === 'visible',
    focused: () => pageDocument()?.hasFocus() ?? true,
    mobile: () => attempt(() => /Mobi/.test(navigator.userAgent)) ?? false,
  };
}
