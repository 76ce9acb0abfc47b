/** The way to the push chunk: loaded when somebody looks at it, and at the start of whoever allowed notifications. */

import { attempt } from './browser.js';
import { createLater } from './later.js';
import type { Push, PushHost } from './push.js';
import type { Writable } from './readable.js';
import type { PushState } from './types.js';

export interface Pushing extends Pick<Push, 'enable' | 'disable'> {
  /** Somebody looks at the state. */
  watch(): void;
  /** Somebody is signed in, or somebody else. */
  start(): void;
  /** With the person who leaves: nothing for them reaches this browser any more. */
  signOut(person: string): void;
  dispose(): void;
}

export function createPushing(host: PushHost, state: Writable<PushState>): Pushing {
  let watched = false;
  const part = createLater(async () => {
    const { createPush } = await import('./push.js');
    watched = true;
    const push = createPush(host);
    push.state.subscribe(state.set);
    state.set(push.state.get());
    return push;
  });
  const allowed = (): boolean => attempt(() => Notification.permission === 'granted') ?? false;
  const wanted = (run: (push: Push) => Promise<unknown>) => {
    if (watched || allowed()) part.ask(run).catch(host.report);
  };
  const start = () => {
    if (host.user() !== null) wanted((push) => push.start());
  };
  return {
    watch() {
      if (watched) return;
      watched = true;
      start();
    },
    enable: () => part.ask((push) => push.enable()),
    disable: () => part.ask((push) => push.disable()),
    start,
    signOut: (person) => wanted((push) => push.signOut(person)),
    dispose: () => part.when((push) => push.dispose()),
  };
}
