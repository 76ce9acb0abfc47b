import { useDoNotDisturb, useSound } from '@belfry/solid';
import type { JSX } from 'solid-js';
import { useAttempt } from './attempt';
import { Icon } from './icons';

/** Quiet and sound at one touch. The bell's panel has the finer choices: for an hour, until tomorrow. */
export function NavSwitches(): JSX.Element {
  const quiet = useDoNotDisturb();
  const sound = useSound();
  const attempt = useAttempt();
  return (
    <>
      <button
        type="button"
        class="bare"
        aria-pressed={quiet.active()}
        aria-label="Do not disturb"
        title={quiet.active() ? 'Do not disturb is on: alerts are counted, nothing pops up' : 'Do not disturb'}
        onClick={() => attempt(quiet.set({ until: quiet.active() ? 'off' : 'on' }))}
      >
        <Icon name="moon" />
      </button>
      <button
        type="button"
        class="bare"
        aria-pressed={sound.enabled()}
        aria-label="Sound"
        title={sound.enabled() ? 'Alerts make a sound' : 'Alerts make no sound'}
        onClick={() => sound.set(!sound.enabled())}
      >
        <Icon name={sound.enabled() ? 'sound' : 'silent'} />
      </button>
    </>
  );
}
