/** Whether there is sound: allowed by the first gesture, and switched off per user. */

import { listen, pageWindow } from '../browser.js';
import { writable } from '../readable.js';
import type { Readable, Unsubscribe } from '../types.js';
import type { AttentionHost } from './attention.js';
import type { Chime } from './chime.js';
import type { AttentionSetup } from './presenter.js';

export interface Sound {
  readonly state: Readable<{ readonly enabled: boolean; readonly blocked: boolean }>;
  /** Switched on it also sounds: the click that does so is what browsers wait for. */
  set(on: boolean): void;
  /** Reads the user's choice. */
  load(): void;
  /** Now, or not at all: a sound that waits is a sound without a reason. */
  play(): void;
  start(): Unsubscribe;
}

/** Makes no sound and listens to nothing before `start`. */
export function createSound({ sound = true, browser }: AttentionSetup, host: AttentionHost): Sound {
  const { storage } = browser;
  const state = writable({ enabled: !!sound, blocked: !!sound }, host.report);
  let chime: Promise<Chime | null> | undefined;

  const key = (): string => `belfry/sound/${host.user()}`;
  const change = (enabled: boolean, blocked: boolean): void => {
    const old = state.get();
    if (enabled !== old.enabled || blocked !== old.blocked) state.set({ enabled, blocked });
  };
  const load = (): void => change(!!sound && storage.getItem(key()) !== 'off', state.get().blocked);
  const unlock = async (): Promise<void> => {
    if (!state.get().enabled || !state.get().blocked) return;
    chime ??= import('./chime.js').then(
      ({ createChime }) => createChime(sound, (blocked) => change(state.get().enabled, blocked)),
      () => {
        // The page is being left, or the network is away: the next gesture asks again.
        chime = undefined;
        return null;
      },
    );
    (await chime)?.unlock();
  };
  const play = (): void => void chime?.then((chime) => chime?.play()).catch(host.report);
  const unlocked = (): void => void unlock().catch(host.report);

  return {
    state,
    set(on) {
      storage.setItem(key(), on ? 'on' : 'off');
      load();
      if (!on) return;
      unlocked();
      play();
    },
    load,
    play() {
      if (!state.get().blocked) play();
    },
    start() {
      load();
      const undo = [
        listen(pageWindow(), ['pointerdown', 'pointerup', 'keydown'], unlocked),
        listen(pageWindow(), ['storage'], load),
      ];
      return () => {
        for (const end of undo) end();
      };
    },
  };
}
