/**
 * For `tabs: 'independent'`, and for browsers and frames without locks: every tab connects by itself. Where a channel
 * works, the tabs still tell each other who is there and who signed out.
 */

import { createPresence, type Here, type Presence } from './presence.js';
import type { ChannelSeam, TabsOptions } from './seams.js';
import type { Tabs, TabsHost } from './tabs.js';

type Word = { is: 'here'; from: string; here: Here } | { is: 'out' };

/** A tab that leads nobody and follows nobody. */
export function createAlone(options: TabsOptions, host: TabsHost, presence: Presence = createPresence(options)): Tabs {
  const { page, random } = options;
  const me = random().toString(36).slice(2);
  let role: Tabs['role'] = 'none';
  let channel: ChannelSeam | null = null;
  let undo: (() => void)[] = [];

  const post = (word: Word): void => channel?.postMessage(word);
  const enter = (): void => {
    if (role === 'alone') return;
    role = 'alone';
    try {
      channel = options.channel(options.name);
      channel.onmessage = ({ data }: { data: Word }) => {
        if (data.is === 'out') host.signedOut();
        else if (data.is === 'here') presence.heard(data.from, data.here);
      };
    } catch {
      channel = null;
    }
    const tell = (here: Here): void => post({ is: 'here', from: me, here });
    presence.start(tell);
    tell(presence.own());
    host.lead();
  };
  const exit = (): void => {
    if (role === 'none') return;
    role = 'none';
    presence.stop();
    channel?.close();
    channel = null;
    host.yield();
  };

  return {
    get role() {
      return role;
    },
    join() {
      if (undo.length) return;
      undo = [
        page.listen('freeze', exit),
        page.listen('pagehide', (event) => event.persisted && exit()),
        page.listen('resume', enter),
        page.listen('pageshow', (event) => event.persisted && enter()),
      ];
      enter();
    },
    async leave() {
      for (const end of undo) end();
      undo = [];
      exit();
    },
    broadcast(message) {
      if (role === 'alone') host.receive(message);
    },
    announce() {},
    request(request) {
      host.upstream(request);
    },
    signOut() {
      post({ is: 'out' });
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
