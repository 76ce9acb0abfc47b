/** `<belfry-connection>`: whether alerts arrive, in a word and a dot. */

import type { Client, Connection } from '@belfry/client';
import { h, set } from './dom.js';
import { BelfryElement } from './element.js';
import type { Word } from './strings.js';
import { connectionWords } from './words.js';

/** Shorter breaks are nobody's concern: a deploy is one. */
const PATIENCE_MS = 3_000;

/** What the element says. */
export type Face = 'none' | 'connecting' | 'live' | 'reconnecting' | 'offline';

const faces: { readonly [S in Connection['state']]: Face } = {
  idle: 'none',
  paused: 'none',
  connecting: 'connecting',
  live: 'live',
  'catching-up': 'live',
  retrying: 'reconnecting',
  offline: 'offline',
  stopped: 'offline',
};

/** The face of a connection. A fresh break keeps the face from `before`. */
export function faceOf({ state, since }: Pick<Connection, 'state' | 'since'>, before: Face, now: number): Face {
  return state === 'retrying' && now - since < PATIENCE_MS ? before : faces[state];
}

/** Changes can only be made while somebody answers. A break that is not shown yet is not one. */
export function readOnly(connection: Connection, now: number): boolean {
  return ['reconnecting', 'offline'].includes(faceOf(connection, 'live', now));
}

/** Why there is no connection, in words for the person in front of it. */
export function reasonOf({ error }: Connection): Word {
  const { code, status } = error ?? {};
  if (navigator.onLine === false) return 'noNetwork';
  if (code === 'user-changed') return 'otherUser';
  return code === 'token-unavailable' || /^(401|44..)$/.test(`${status}`) ? 'signIn' : 'unreachable';
}

const styles = `
:host{display:inline-flex;min-inline-size:0;font-size:var(--belfry-size,13px);vertical-align:middle}
[part~=connection]{display:inline-flex;align-items:center;gap:8px;min-inline-size:0;min-block-size:24px}
[part=dot]{position:relative;flex:none;inline-size:8px;block-size:8px;border-radius:50%;background:var(--_faint);forced-color-adjust:none}
.live [part=dot]{background:var(--belfry-good,light-dark(#1c8a4c,#4fc27f))}
.reconnecting [part=dot]{background:var(--_warning)}
.offline [part=dot]{display:none}
[data-pulses]::after{content:'';position:absolute;inset:0;border-radius:50%;background:inherit;opacity:0;animation:pulse 1.2s ease-out}
[data-pulses='3']::after{animation-iteration-count:3}
@keyframes pulse{from{opacity:.6}to{scale:3.2}}
span{white-space:nowrap}
.offline [part=text]{padding:0 8px;border-radius:99px;font-weight:500;color:var(--_critical);background:color-mix(in srgb,var(--_critical) 12%,transparent);outline:1px solid #0000}
[part=reason]{overflow:hidden;text-overflow:ellipsis;opacity:.75}
[part=retry]{flex:none;padding:2px 4px;font-weight:500;text-decoration:underline;text-underline-offset:3px}`;

type Part = 'all' | 'text' | 'reason' | 'retry';

/** The connection, where a person can see it. */
export class BelfryConnection extends BelfryElement {
  static override readonly tag: string = 'belfry-connection';
  #face: Face = 'none';
  #newest = 0;
  #waiting: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super(connectionWords, styles);
  }

  protected override start(client: Client): void {
    this.#face = 'none';
    const text = h('span', { part: 'text' });
    const reason = h('span', { part: 'reason' });
    const retry = h('button', { part: 'retry', click: () => client.retryNow() }, this.say('tryNow'));
    const status = h('span', {}, text, ' ', reason);
    const all = h('span', {}, dot(null), status, retry);
    this.show(all);
    // What happens while a page opens is not worth saying; from then on, what takes long enough to be shown is.
    const settled = setTimeout(() => set(status, { role: 'status' }), PATIENCE_MS);
    this.until(() => {
      clearTimeout(settled);
      clearTimeout(this.#waiting);
    });
    this.follow(() => this.#see(client.connection.get(), { all, text, reason, retry }), client.connection);
    this.follow(() => {
      const newest = Math.max(0, ...client.alerts.get().map(({ createdAt }) => Date.parse(createdAt)));
      if (this.#newest > 0 && newest > this.#newest && this.#face === 'live') this.#pulse(1);
      this.#newest = Math.max(1, newest);
    }, client.alerts);
  }

  #see(connection: Connection, nodes: { readonly [part in Part]: HTMLElement }): void {
    clearTimeout(this.#waiting);
    const now = Date.now();
    const before = this.#face;
    const face = faceOf(connection, before, now);
    if (connection.state === 'retrying' && face !== 'reconnecting') {
      const rest = connection.since + PATIENCE_MS - now;
      this.#waiting = setTimeout(() => this.#see({ ...connection, since: 0 }, nodes), rest);
    }
    this.#face = face;
    const { all, text, reason, retry } = nodes;
    const offline = face === 'offline';
    set(all, { class: face, part: `connection ${face}`, hidden: face === 'none' });
    text.className = face === 'connecting' ? 'sr' : '';
    const words = face === 'none' ? '' : this.say(face);
    // The same words again would be said again.
    if (text.textContent !== words) text.textContent = words;
    reason.textContent = offline ? this.say(reasonOf(connection)) : '';
    retry.hidden = !offline;
    if (face === 'live' && before !== 'live') this.#pulse(3);
  }

  /** A new node begins its animation anew. It ends by itself: what moves for ever beside a text keeps people from reading. */
  #pulse(times: number): void {
    this.root.querySelector('[part=dot]')?.replaceWith(dot(times));
  }
}

function dot(pulses: number | null): HTMLElement {
  return h('span', { part: 'dot', 'data-pulses': pulses });
}
