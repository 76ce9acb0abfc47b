/** The leader's connection as followers show it. */

import type { Clock, Connection } from '../types.js';

/** Between two leaders the last connection stands this long. */
const GAP_MS = 3_000;

export interface Gap {
  /** Another tab leads now. */
  begin(): void;
  /** What to show, now that the leader has this; `follow` is called when that changes by itself. */
  settle(next: Connection): Connection;
  end(): void;
}

export function createGap(clock: Clock, follow: (connection: Connection) => void): Gap {
  let shown: Connection | undefined;
  let until = 0;
  let timer: unknown;
  return {
    begin() {
      until = clock.now() + GAP_MS;
    },
    settle(next) {
      clock.clearTimeout(timer);
      const left = until - clock.now();
      const show = (): Connection => {
        shown = next;
        return next;
      };
      if (!shown?.isConnected || !next.isConnecting || left <= 0) return show();
      timer = clock.setTimeout(() => follow(show()), left);
      return shown;
    },
    end() {
      clock.clearTimeout(timer);
      shown = undefined;
    },
  };
}

/** As it goes through a channel, which keeps an error's message and nothing else of it. */
export const pack = (connection: Connection): Connection => {
  const { error } = connection;
  return { ...connection, error: error && { ...error, message: error.message } };
};

export const unpack = (connection: Connection): Connection => {
  const { error } = connection;
  return { ...connection, role: 'follower', error: error && Object.assign(new Error(error.message), error) };
};
