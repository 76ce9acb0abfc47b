/** What the pages behind the sign-in begin with. */

import type { Snapshot } from '@belfry/client';
import { query, redirect } from '@solidjs/router';
import { getRequestEvent } from 'solid-js/web';
import type { Person } from '../family';

export interface Home {
  readonly viewer: Person;
  /** The inbox as it is while the page is rendered: the first paint has the real number. */
  readonly initial: Snapshot | undefined;
}

export const openHome = query(async (): Promise<Home> => {
  'use server';
  const { alerts } = await import('./alerts');
  const { tokenOf, viewerOf } = await import('./session');
  const request = getRequestEvent()?.request;
  const viewer = request === undefined ? null : viewerOf(request);
  const token = request === undefined ? null : tokenOf(request);
  if (viewer === null || token === null) throw redirect('/');
  // A page without its alerts is better than a late one: the client fetches them by itself.
  const initial = await alerts()
    .snapshot(viewer.id, { token, signal: AbortSignal.timeout(1_000) })
    .catch(() => undefined);
  return { viewer, initial };
}, 'home');
