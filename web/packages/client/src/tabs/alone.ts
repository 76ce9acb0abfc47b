/**
 * For `tabs: 'independent'`, and for browsers and frames without locks: every tab connects by itself. Where a channel
 * works, the tabs still tell each other who is there and who signed out.
 */

import { attempt, randomId } from '../browser.js';
import { createPresence, type Here, onSleep } from './presence.js';
import type { ChannelSeam, TabsOptions } from './seams.js';
import type { Tabs, TabsHost, Upstream } from './tabs.js';

type Word = { is: 'here'; from: string; here: Here } | { is: 'out' };

/** A tab that leads nobody and follows nobody. */
export function createAlone(options: TabsOptions, host: TabsHost): Tabs {
  const presence = createPresence(options);
  const me = randomId();
  const outbox = new Set<Upstream>();
  let role: Tabs['role'] = 'none';
  let channel: ChannelSeam | undefined;
  let forget: (() => void) | null = null;

  const enter = (): void => {
    if (role === 'alone') return;
    role = 'alone';
    channel = attempt(() => openChannel(options));
    if (channel) {
      channel.onmessage = ({ data }: { data: Word }) => {
        if (data.is === 'out') host.signedOut();
        else if (data.is === 'here') presence.heard(data.from, data.here);
      };
    }
    const tell = (): void => channel?.postMessage({ is: 'here', from: me, here: presence.own() } satisfies Word);
    presence.start(tell);
    tell();
    host.lead();
  };
  const exit = (): void => {
    if (role === 'none') return;
    role = 'none';
    presence.stop();
    channel?.close();
    channel = undefined;
    host.yield();
  };
  const flush = (): void => {
    for (const request of outbox) if (host.upstream(request)) outbox.delete(request);
  };

  return {
    get role() {
      return role;
    },
    join() {
      forget ??= onSleep(options, exit, enter);
      enter();
    },
    async leave() {
      forget?.();
      forget = null;
      exit();
    },
    broadcast(message) {
      if (role === 'alone') host.receive(message);
    },
    announce(connection) {
      if (connection.isConnected) flush();
    },
    request(request) {
      outbox.add(request);
      flush();
    },
    signOut() {
      channel?.postMessage({ is: 'out' } satisfies Word);
      host.signedOut();
    },
    presence() {
      // The connection is this tab's own, and so is what is told of it; somebody at another tab is here all the same.
      const [visible, focused] = presence.own();
      return { visible, focused, lastInputAt: presence.read().lastInputAt };
    },
    onPresence: presence.on,
  };
}

/** The channel of this name; throws where there is none. */
export function openChannel({ name, channel }: TabsOptions): ChannelSeam {
  return channel ? channel(name) : new BroadcastChannel(name);
}
