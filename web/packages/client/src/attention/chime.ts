/** What is heard. Loaded by the first gesture, since before it nothing may sound. */

import { attempt } from '../browser.js';
import type { AttentionOptions } from '../types.js';

export interface Chime {
  /** In a gesture. Nobody waits for `resume`: there are browsers in which it never ends. */
  unlock(): void;
  play(): void;
}

const NOTES = [
  [660, 0],
  [880, 0.12],
] as const;

/** The application's sound, or two notes that the browser makes itself: a strict policy allows those as well. */
export function createChime(sound: AttentionOptions['sound'], blocked: (is: boolean) => void): Chime {
  if (typeof sound === 'function') return { unlock: () => blocked(false), play: sound };
  if (typeof sound === 'string') {
    const element = new Audio(sound);
    return {
      unlock: () => blocked(false),
      play: () => void element.play().catch(() => blocked(true)),
    };
  }
  const context = attempt(() => new AudioContext());
  const settle = (): void => blocked(context?.state !== 'running');
  context?.addEventListener('statechange', settle);
  return {
    unlock() {
      context?.resume().catch(() => {});
      settle();
    },
    play() {
      if (context) ring(context);
    },
  };
}

function ring(context: AudioContext): void {
  for (const [frequency, after] of NOTES) {
    const at = context.currentTime + after;
    const note = context.createOscillator();
    const volume = context.createGain();
    note.connect(volume).connect(context.destination);
    note.frequency.value = frequency;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.1, at + 0.01);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    note.start(at);
    note.stop(at + 0.5);
  }
}
