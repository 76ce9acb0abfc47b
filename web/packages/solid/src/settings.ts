/** What a person chooses: quiet, sound, push, and which alerts come by which way. */

import type { Client, DoNotDisturb, PushState } from '@belfry/client';
import { unheld } from '@belfry/client/bindings';
import { type Accessor, onMount } from 'solid-js';
import { useBelfry } from './provider.js';
import { follow } from './status.js';

export interface DoNotDisturbControls {
  readonly active: Accessor<boolean>;
  readonly until: Accessor<string | null>;
  readonly schedule: Accessor<DoNotDisturb['schedule']>;
  readonly timeZone: Accessor<string | null>;
  set: Client['setDoNotDisturb'];
}

/** Whether it is quiet, until when, and how to change that. */
export function useDoNotDisturb(): DoNotDisturbControls {
  const client = useBelfry();
  const value = follow(client.doNotDisturb, unheld.doNotDisturb);
  return {
    active: () => value().active,
    until: () => value().until,
    schedule: () => value().schedule,
    timeZone: () => value().timeZone,
    set: (change) => client.setDoNotDisturb(change),
  };
}

export interface SoundControls {
  readonly enabled: Accessor<boolean>;
  /** The browser plays nothing before the first click or key. */
  readonly blocked: Accessor<boolean>;
  set(on: boolean): void;
}

/** The sound switch. */
export function useSound(): SoundControls {
  const client = useBelfry();
  const value = follow(client.sound, unheld.sound);
  return { enabled: () => value().enabled, blocked: () => value().blocked, set: (on) => client.setSound(on) };
}

export interface PushControls {
  readonly state: Accessor<PushState>;
  /** After a person's click only: browsers refuse to ask otherwise. */
  enable(): Promise<PushState>;
  disable(): Promise<void>;
}

/** Whether this browser gets pushes. */
export function usePush(): PushControls {
  const { push } = useBelfry();
  const state = follow<PushState>(push.state, 'unknown');
  return { state, enable: () => push.enable(), disable: () => push.disable() };
}

export interface PreferencesControls {
  /** `null` until they are loaded. */
  readonly preferences: Accessor<ReturnType<Client['preferences']['get']>>;
  load: Client['preferences']['load'];
  set: Client['preferences']['set'];
}

/** Which alerts come by which way; loaded on mount. */
export function usePreferences(): PreferencesControls {
  const { preferences: source } = useBelfry();
  const preferences = follow(source, null);
  onMount(() => {
    // What went wrong is told to `onError`; the value stays `null`.
    source.load().catch(() => {});
  });
  return { preferences, load: () => source.load(), set: (change) => source.set(change) };
}
