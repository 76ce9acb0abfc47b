/** The chime: made by the browser itself, allowed by the first gesture, and switched off per user. */

import { attempt, listen, pageWindow } from '../browser.js';
import { writable } from '../readable.js';
import type { Readable, Unsubscribe } from '../types.js';
import type { AttentionHost } from './attention.js';
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

const NOTES = [
  [660, 0],
  [880, 0.12],
] as const;

function chime(context: AudioContext): void {
  for (const [frequency, after] of NOTES) {
    const at = context.currentTime + after;
    const note = context.createOscillator();
    const volume = context.createGain();
    note.connect(volume).connect(context.destination);
    note.frequency.value = frequency;
    const { gain } = volume;
    gain.setValueAtTime(0, at);
    gain.linearRampToValueAtTime(0.1, at + 0.01);
    gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    note.start(at);
    note.stop(at + 0.5);
  }
}

/** Makes no sound and listens to nothing before `start`. */
export function createSound({ sound = true, browser }: AttentionSetup, host: AttentionHost): Sound {
  const { storage } = browser;
  const state = writable({ enabled: !!sound, blocked: !!sound }, host.report);
  let context: AudioContext | undefined;
  let element: HTMLAudioElement | undefined;

  const key = (): string => `belfry/sound/${host.user()}`;
  const change = (part: { enabled?: boolean; blocked?: boolean }): void => {
    const old = state.get();
    const next = { ...old, ...part };
    if (next.enabled !== old.enabled || next.blocked !== old.blocked) state.set(next);
  };
  const load = (): void => change({ enabled: !!sound && storage.getItem(key()) !== 'off' });
  const settle = (): void => change({ blocked: context?.state !== 'running' });
  /** In a gesture. Nobody waits for `resume`: there are browsers in which it never ends. */
  const unlock = (): void => {
    if (sound !== true) change({ blocked: false });
    if (sound !== true || !state.get().enabled || context?.state === 'running') return;
    context ??= attempt(() => new AudioContext());
    if (!context) return;
    context.onstatechange = settle;
    context.resume().catch(() => {});
    settle();
  };
  const play = (): void => {
    if (typeof sound === 'function') sound();
    else if (typeof sound === 'string') {
      element ??= new Audio(sound);
      element.play().catch(() => change({ blocked: true }));
    } else if (context) chime(context);
  };

  return {
    state,
    set(on) {
      storage.setItem(key(), on ? 'on' : 'off');
      load();
      if (!on) return;
      unlock();
      play();
    },
    load,
    play() {
      if (!state.get().blocked) play();
    },
    start() {
      load();
      const undo = [
        listen(pageWindow(), ['pointerdown', 'pointerup', 'keydown'], unlock),
        listen(pageWindow(), ['storage'], load),
      ];
      return () => {
        for (const end of undo) end();
      };
    },
  };
}
