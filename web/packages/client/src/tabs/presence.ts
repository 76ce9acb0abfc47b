/** Who is there: every tab tells the others whether it is visible, has the focus, and when it last had input. */

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
  start(tell: (here: Here) => void): void;
  /** Also forgets the others. */
  stop(): void;
}

/** Input is told to the others at most this often. */
const TELL_MS = 10_000;

const INPUT = ['pointermove', 'pointerdown', 'keydown', 'scroll', 'wheel', 'touchstart'];
const LOOK = ['visibilitychange', 'focus', 'blur'];

/** Listens to nothing before `start`. */
export function createPresence({ page, clock }: TabsOptions): Presence {
  const others = new Map<string, Here>();
  const listeners = new Set<() => void>();
  let lastInputAt = 0;
  let toldAt = 0;
  let undo: (() => void)[] = [];

  const own = (): Here => [page.visible(), page.focused(), lastInputAt];
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
        tell(own());
        changed();
      };
      const input = (): void => {
        lastInputAt = clock.now();
        if (Math.abs(lastInputAt - toldAt) >= TELL_MS) told();
      };
      undo = [...INPUT.map((type) => page.listen(type, input)), ...LOOK.map((type) => page.listen(type, told))];
    },
    stop() {
      for (const end of undo) end();
      undo = [];
      others.clear();
    },
  };
}
