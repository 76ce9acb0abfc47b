/** Who is there: every tab tells the others whether it is visible, has the focus, and when it last had input. */

import { listen, pageDocument, pageWindow } from '../browser.js';
import type { TabsOptions } from './seams.js';
import type { Tabs } from './tabs.js';

/** How one tab is: visible, focused, last input. */
export type Here = readonly [visible: boolean, focused: boolean, lastInputAt: number];

/** This tab's knowledge of all tabs. */
export interface Presence {
  own(): Here;
  read: Tabs['presence'];
  on: Tabs['onPresence'];
  /** Another tab told, or is gone (`null`). */
  heard(tab: string, here: Here | null): void;
  tabs(): [string, Here][];
  start(tell: () => void): void;
  /** Also forgets the others. */
  stop(): void;
}

/** Input is told to the others at most this often. */
const TELL_MS = 10_000;

/** Listens to nothing before `start`. */
export function createPresence({ browser, window = pageWindow(), document = pageDocument() }: TabsOptions): Presence {
  const others = new Map<string, Here>();
  const listeners = new Set<() => void>();
  let lastInputAt = 0;
  let toldAt = 0;
  let undo: (() => void)[] = [];

  const own = (): Here => [browser.visible(), browser.focused(), lastInputAt];
  const changed = (): void => {
    for (const listener of [...listeners]) listener();
  };

  return {
    own,
    read() {
      const all = [own(), ...others.values()];
      return {
        visible: all.some((here) => here[0]),
        focused: all.some((here) => here[1]),
        lastInputAt: Math.max(...all.map((here) => here[2])),
      };
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    heard(tab, here) {
      if (here) others.set(tab, here);
      else if (!others.delete(tab)) return;
      changed();
    },
    tabs: () => [...others],
    start(tell) {
      const told = (): void => {
        toldAt = lastInputAt;
        tell();
        changed();
      };
      const input = (): void => {
        lastInputAt = browser.clock.now();
        if (Math.abs(lastInputAt - toldAt) >= TELL_MS) told();
      };
      undo = [
        listen(window, ['pointermove', 'pointerdown', 'keydown', 'scroll'], input),
        listen(window, ['focus', 'blur'], told),
        listen(document, ['visibilitychange'], told),
      ];
    },
    stop() {
      for (const end of undo) end();
      undo = [];
      others.clear();
    },
  };
}

/** Ends a tab's part while it cannot run: Chromium's `freeze`, and the back-forward cache of every browser. */
export function onSleep(
  { window = pageWindow(), document = pageDocument() }: TabsOptions,
  sleep: () => void,
  wake: () => void,
): () => void {
  const kept = (run: () => void) => (event: Event) => (event as PageTransitionEvent).persisted && run();
  const undo = [
    listen(document, ['freeze'], sleep),
    listen(document, ['resume'], wake),
    listen(window, ['pagehide'], kept(sleep)),
    listen(window, ['pageshow'], kept(wake)),
  ];
  return () => {
    for (const end of undo) end();
  };
}
