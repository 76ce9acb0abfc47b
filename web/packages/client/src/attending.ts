/** The way to the part that presents: loaded once somebody does, or wants its switch or badge. A bell alone never needs it. */

import type { Attention } from './attention/attention.js';
import { writable } from './readable.js';
import type { Unsubscribe } from './types.js';

type Present = Parameters<Attention['onPresent']>[0];

/** `load` makes it; `wanted`: it is needed from the start. */
export function createAttending(
  load: () => Promise<Attention>,
  wanted: boolean,
  enabled: boolean,
  report: (error: unknown) => void,
): Attention {
  const sound = writable({ enabled, blocked: true }, report);
  let loaded: Attention | undefined;
  /** What it has to hear once it is here; `null`: nobody wants it yet. */
  let waiting: ((attention: Attention) => void)[] | null = null;
  let started = false;

  const tell = (run: (attention: Attention) => void) => {
    if (loaded) run(loaded);
    else waiting?.push(run);
  };
  const want = () => {
    if (waiting) return;
    waiting = [];
    load()
      .then((attention) => {
        loaded = attention;
        attention.sound.subscribe(sound.set);
        sound.set(attention.sound.get());
        if (started) attention.start();
        for (const run of waiting ?? []) run(attention);
      })
      .catch((error: unknown) => {
        waiting = null;
        report(error);
      });
  };

  return {
    sound: {
      get: sound.get,
      subscribe(listener) {
        want();
        return sound.subscribe(listener);
      },
    },
    setSound(on) {
      want();
      tell((attention) => attention.setSound(on));
    },
    arrived: (alerts, how) => tell((attention) => attention.arrived(alerts, how)),
    changed: (id, alert) => tell((attention) => attention.changed(id, alert)),
    doNotDisturbChanged: () => tell((attention) => attention.doNotDisturbChanged()),
    onPresent(present: Present): Unsubscribe {
      let stop: Unsubscribe | undefined;
      let gone = false;
      want();
      tell((attention) => {
        if (!gone) stop = attention.onPresent(present);
      });
      return () => {
        gone = true;
        stop?.();
      };
    },
    start() {
      started = true;
      if (wanted) want();
      loaded?.start();
    },
    stop() {
      started = false;
      loaded?.stop();
    },
  };
}
