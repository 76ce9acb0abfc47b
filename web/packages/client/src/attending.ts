/** The way to the part that presents: loaded once somebody does, or wants its switch or badge. A bell alone never needs it. */

import type { Attention } from './attention/attention.js';
import { createLater } from './later.js';
import type { Writable } from './readable.js';

export interface Attending extends Omit<Attention, 'sound'> {
  /** Somebody needs it. */
  want(): void;
}

/** `load` makes it; `wanted`: it is needed from the start; `sound` follows its switch. */
export function createAttending(
  load: () => Promise<Attention>,
  wanted: boolean,
  sound: Writable<ReturnType<Attention['sound']['get']>>,
  report: (error: unknown) => void,
): Attending {
  let asked = false;
  let started = false;
  const part = createLater(async () => {
    const attention = await load();
    attention.sound.subscribe(sound.set);
    sound.set(attention.sound.get());
    if (started) attention.start();
    return attention;
  });
  const want = () => {
    asked = true;
    part.load().catch(report);
  };
  /** Nobody is told of what nobody wants. */
  const tell = (run: (attention: Attention) => void) => {
    if (asked) part.when(run);
  };

  return {
    want,
    setSound(on) {
      want();
      tell((attention) => attention.setSound(on));
    },
    arrived: (alerts, how) => tell((attention) => attention.arrived(alerts, how)),
    changed: (id, alert) => tell((attention) => attention.changed(id, alert)),
    doNotDisturbChanged: () => tell((attention) => attention.doNotDisturbChanged()),
    onPresent(present) {
      want();
      return part.add((attention) => attention.onPresent(present));
    },
    start() {
      started = true;
      if (wanted) want();
      part.now?.start();
    },
    stop() {
      started = false;
      part.now?.stop();
    },
  };
}
