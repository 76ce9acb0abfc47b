/** What a person chooses: quiet, sound, push, and which alerts come by which way. */

import type { Client, DoNotDisturb, PushState } from '@belfry/client';
import { unheld } from '@belfry/client/bindings';
import { useEffect, useMemo } from 'react';
import { useBelfry } from './provider.js';
import { useReadable } from './status.js';

export interface DoNotDisturbControls extends DoNotDisturb {
  set: Client['setDoNotDisturb'];
}

/** Whether it is quiet, until when, and how to change that. */
export function useDoNotDisturb(): DoNotDisturbControls {
  const client = useBelfry();
  const value = useReadable(client.doNotDisturb, unheld.doNotDisturb);
  return useMemo(() => ({ ...value, set: (change) => client.setDoNotDisturb(change) }), [client, value]);
}

export interface SoundControls {
  readonly enabled: boolean;
  /** The browser plays nothing before the first click or key. */
  readonly blocked: boolean;
  set(on: boolean): void;
}

/** The sound switch. */
export function useSound(): SoundControls {
  const client = useBelfry();
  const value = useReadable(client.sound, unheld.sound);
  return useMemo(() => ({ ...value, set: (on) => client.setSound(on) }), [client, value]);
}

export interface PushControls {
  readonly state: PushState;
  /** After a person's click only: browsers refuse to ask otherwise. */
  enable(): Promise<PushState>;
  disable(): Promise<void>;
}

/** Whether this browser gets pushes. */
export function usePush(): PushControls {
  const { push } = useBelfry();
  const state = useReadable<PushState>(push.state, 'unknown');
  return useMemo(() => ({ state, enable: () => push.enable(), disable: () => push.disable() }), [push, state]);
}

export interface PreferencesControls {
  /** `null` until they are loaded. */
  readonly preferences: ReturnType<Client['preferences']['get']>;
  load: Client['preferences']['load'];
  set: Client['preferences']['set'];
}

/** Which alerts come by which way; loaded on mount. */
export function usePreferences(): PreferencesControls {
  const { preferences: source } = useBelfry();
  const preferences = useReadable(source, null);
  useEffect(() => {
    // What went wrong is told to `onError`; the value stays `null`.
    source.load().catch(() => {});
  }, [source]);
  return useMemo(
    () => ({ preferences, load: () => source.load(), set: (change) => source.set(change) }),
    [source, preferences],
  );
}
