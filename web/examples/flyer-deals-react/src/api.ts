/** The shop's own API. */

import type { DealInfo } from '../kinds.js';

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly locale: string;
}

export interface Watched {
  readonly item_name: string;
  readonly at_most_in_cents: number;
}

export interface Job {
  readonly id: string;
  readonly name: string;
  readonly status: 'running' | 'succeeded' | 'failed';
  readonly message: string;
  readonly finished_at: string | null;
}

export interface Flyer {
  readonly store: string | null;
  readonly people: number;
  readonly deals: number;
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const json =
    body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`/api${path}`, { method, ...json });
  const text = await response.text();
  const answer: unknown = text === '' ? null : JSON.parse(text);
  if (!response.ok) throw new Error((answer as { error?: string } | null)?.error ?? 'The shop does not answer.');
  return answer as T;
}

export const api = {
  people: (): Promise<Pick<Person, 'id' | 'name'>[]> => call('GET', '/people'),
  session: (): Promise<Person | null> => call('GET', '/session'),
  signIn: (user: string): Promise<Person> => call('POST', '/session', { user }),
  signOut: (): Promise<null> => call('DELETE', '/session'),
  renew: (): Promise<null> => call('POST', '/session/renew'),
  watchList: (): Promise<Watched[]> => call('GET', '/watch-list'),
  watch: (item: Watched): Promise<Watched[]> => call('PUT', '/watch-list', item),
  unwatch: (item: string): Promise<Watched[]> => call('DELETE', `/watch-list/${encodeURIComponent(item)}`),
  deals: (): Promise<DealInfo[]> => call('GET', '/deals'),
  importList: (text: string): Promise<Pick<Job, 'id'>> => call('POST', '/jobs/import', { text }),
  job: (id: string): Promise<Job> => call('GET', `/jobs/${encodeURIComponent(id)}`),
  nextFlyer: (): Promise<Flyer> => call('POST', '/office/next-flyer'),
  announce: (message: string, severity: string): Promise<null> =>
    call('POST', '/office/announcements', { message, severity }),
  connections: (): Promise<{ connections: number; people: number }> => call('GET', '/office/connections'),
};
