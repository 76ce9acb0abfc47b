/** Tokens: one request at a time, also among tabs; what one tab got the others hear of, and it is stored nowhere. */

import { attempt } from './browser.js';
import type { ClientOptions, Clock, TokenRequest, Unsubscribe } from './types.js';

/** How long another tab may take to get a token. */
const LOCK_MS = 5_000;
/** How long a word to another tab may take. */
const NEWS_MS = 50;

type Reason = TokenRequest['reason'];

export interface Tokens {
  /** Whether a token is asked of the application; else the cookie is all there is. */
  readonly held: boolean;
  /** The last token, or a first one. `null`: a cookie, or signed out. */
  current(): Promise<string | null>;
  /** A fresh token or cookie. `false`: signed out, or there is nothing that could renew it. */
  renew(reason: Reason): Promise<boolean>;
  /** What a connection is opened with. `undefined`: signed out. */
  forConnection(reason: Reason): Promise<string | null | undefined>;
  /** Another person: forgets the token. */
  forget(): void;
  close: Unsubscribe;
}

/**
 * `name` separates applications, servers and people of one origin. `null`: the person is not known yet, so nothing is
 * shared: a token that another tab got may be somebody else's.
 */
export function createTokens(options: ClientOptions, clock: Clock, name: () => string | null): Tokens {
  const { token: give, refresh } = options;
  let last: string | null | undefined;
  let generation = 0;
  let flight: Promise<boolean> | null = null;
  let abort = new AbortController();
  let channel: BroadcastChannel | null | undefined = null;
  // Counts what other tabs got: one that came while we waited for the lock is as good as our own.
  let heard = 0;
  const openChannel = (): BroadcastChannel | undefined => {
    const shared = name();
    if (channel === null && shared !== null) channel = attempt(() => new BroadcastChannel(`${shared}/token`));
    if (channel) {
      channel.onmessage = ({ data }: MessageEvent<{ token: string | null }>) => {
        heard++;
        if (give) last = data.token;
      };
    }
    return channel ?? undefined;
  };

  const fetchOne = async (reason: Reason, before: number): Promise<boolean> => {
    if (heard > before && (!give || last)) return true;
    const mine = generation;
    const request = { reason, signal: abort.signal };
    const token = give ? await give(request) : null;
    const renewed = give ? token !== null : await (refresh?.(request) ?? false);
    if (mine !== generation) return false;
    last = token;
    if (renewed) channel?.postMessage({ token });
    return renewed;
  };
  const locked = (reason: Reason): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const before = heard;
      const hurry = new AbortController();
      const timer = clock.setTimeout(() => hurry.abort(), LOCK_MS);
      let begun = false;
      const run = (): Promise<unknown> => {
        begun = true;
        clock.clearTimeout(timer);
        return fetchOne(reason, before).then(resolve, reject);
      };
      // The lock outlives the news of the token: the next tab must have heard of it before it is its turn.
      const hold = () => run().then(() => new Promise<void>((done) => clock.setTimeout(done, NEWS_MS)));
      const lock = `${name()}/token`;
      const granted = openChannel() && attempt(() => navigator.locks.request(lock, { signal: hurry.signal }, hold));
      // No locks, locks that refuse, or a tab that hangs with the lock in its hand.
      (granted ?? Promise.reject()).catch(() => begun || run());
    });
  const renew = (reason: Reason): Promise<boolean> => {
    flight ??= locked(reason).finally(() => {
      flight = null;
    });
    return flight;
  };
  const forget = () => {
    generation++;
    last = undefined;
    flight = null;
    abort.abort();
    abort = new AbortController();
    // The next person's has another name.
    channel?.close();
    channel = null;
  };

  return {
    held: !!give,
    renew,
    async current() {
      if (give && last === undefined) await renew('connect');
      return last ?? null;
    },
    async forConnection(reason) {
      if (!give && (reason === 'connect' || !refresh)) return null;
      if (!(await renew(reason))) return undefined;
      return last ?? null;
    },
    forget,
    close: forget,
  };
}
