/**
 * An application with the client in it. The query says how: `user`, `auth=token`, `ui=all` for every element or
 * `ui=toasts` for toasts alone (else the page presents alerts itself), `set` for options of the client, as JSON.
 */

import {
  type AnyAlert,
  type Client,
  type ClientOptions,
  createClient,
  type Presentation,
  type WebSocketMessage,
} from '@belfry/client';
import { defineBelfryElements, setClient } from '@belfry/elements';

/** One presentation, as the page saw it. */
export interface Presented {
  id: string | null;
  title: string | null;
  summary: number;
  sound: boolean;
  burst: number;
  /** Milliseconds since the epoch. */
  at: number;
}

declare global {
  interface Window {
    client: Client;
    seen: {
      presented: Presented[];
      frames: WebSocketMessage[];
      states: string[];
      errors: string[];
      chimes: number;
      tokens: string[];
      opened: string[];
    };
  }
}

const query = new URLSearchParams(location.search);
const options: ClientOptions = {
  navigate: (url) => void window.seen.opened.push(url),
  onError: (error) => void window.seen.errors.push(error.code),
  ...(JSON.parse(query.get('set') ?? '{}') as ClientOptions),
};
const user = query.get('user');
if (user !== null) options.user = user || null;
options.attention = { sound: () => void window.seen.chimes++, ...options.attention };
if (query.get('auth') === 'token') {
  options.token = async ({ reason, signal }) => {
    window.seen.tokens.push(reason);
    const answer = await fetch(`/token?reason=${reason}`, { signal });
    return answer.ok ? answer.text() : null;
  };
}

window.seen = { presented: [], frames: [], states: [], errors: [], chimes: 0, tokens: [], opened: [] };
const client = createClient(options);
window.client = client;
client.onMessage((message) => void window.seen.frames.push(message), { replay: 'all' });
client.connection.subscribe(({ state }) => void window.seen.states.push(state));

const note = (alert: AnyAlert | null, summary: number, sound: boolean, burst: number): void => {
  const [id, title] = [alert?.id ?? null, alert?.title ?? null];
  window.seen.presented.push({ id, title, summary, sound, burst, at: Date.now() });
};
const ui = query.get('ui');
if (ui) {
  document.addEventListener('belfry-present', (event) => {
    const { alert, summary, sound, burst } = (event as CustomEvent<Presentation>).detail;
    note(alert, summary?.count ?? 0, sound, burst);
  });
  defineBelfryElements();
  setClient(client);
  const header = ['belfry-connection', 'belfry-sound', 'belfry-do-not-disturb', 'belfry-push-prompt', 'belfry-bell'];
  if (ui === 'all') {
    document.querySelector('header')?.append(...header.map((tag) => document.createElement(tag)));
    document.querySelector('main')?.append(document.createElement('belfry-inbox'));
  }
  document.body.append(document.createElement('belfry-toasts'));
} else {
  // Who shows alerts in a region of their own has it on the page, so that it is known whether somebody saw it.
  client.onPresent(({ alert, summary, sound, burst }) => note(alert, summary?.count ?? 0, sound, burst));
}
if (query.get('hold') !== 'no') client.connect();
