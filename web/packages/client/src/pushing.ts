/** The way to the push chunk: loaded when somebody looks at it, and at the start of whoever allowed notifications. */

import { attempt } from './browser.js';
import { handled } from './failure.js';
import type { Push, PushHost } from './push.js';
import { writable } from './readable.js';
import type { Client, PushState } from './types.js';

export interface Pushing {
  readonly push: Client['push'];
  /** Somebody is signed in, or somebody else. */
  start(): void;
  /** With the person who leaves: nothing for them reaches this browser any more. */
  signOut(person: string): void;
  dispose(): void;
}

export function createPushing(host: PushHost): Pushing {
  const state = writable<PushState>('unknown', host.report);
  let loaded: Promise<Push> | undefined;
  let watched = false;
  const load = (): Promise<Push> => {
    loaded ??= import('./push.js').then(({ createPush }) => {
      const push = createPush(host);
      push.state.subscribe(state.set);
      state.set(push.state.get());
      return push;
    });
    return loaded;
  };
  const allowed = (): boolean => attempt(() => Notification.permission === 'granted') ?? false;
  const wanted = (run: (push: Push) => Promise<unknown>) => {
    if (loaded || watched || allowed()) load().then(run).catch(host.report);
  };
  const start = () => {
    if (host.user() !== null) wanted((push) => push.start());
  };
  return {
    push: {
      state: {
        get: state.get,
        subscribe(listener) {
          if (!watched) {
            watched = true;
            start();
          }
          return state.subscribe(listener);
        },
      },
      enable: () => handled(load().then((push) => push.enable())),
      disable: () => handled(load().then((push) => push.disable())),
    },
    start,
    signOut: (person) => wanted((push) => push.signOut(person)),
    dispose: () => void loaded?.then((push) => push.dispose()),
  };
}
