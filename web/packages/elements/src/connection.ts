/** `<belfry-connection>`: whether alerts arrive, in a word and a dot. */

import type { Client, Connection } from '@belfry/client';
import { h, set } from './dom.js';
import type { Word } from './strings.js';
import { BelfryView } from './view.js';
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

/** The connection, where a person can see it. */
export class BelfryConnection extends BelfryView {
  static override readonly tag: string = 'belfry-connection';

  constructor() {
    super(connectionWords, styles);
  }

  protected override start(client: Client): void {
    const text = h('span', { part: 'text' });
    const reason = h('span', { part: 'reason' });
    const retry = h('button', { part: 'retry', click: () => client.retryNow() }, this.say('tryNow'));
    const status = h('span', {}, text, ' ', reason);
    const all = h('span', {}, h('span', { part: 'dot' }), status, retry);
    this.show(all);
    // A new node begins its animation anew. It ends by itself: what moves for ever beside a text keeps people from reading.
    const pulse = (times: number): void =>
      all.firstElementChild?.replaceWith(h('span', { part: 'dot', 'data-pulses': times }));

    let face: Face = 'none';
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const see = (connection: Connection): void => {
      const now = Date.now();
      const before = face;
      face = faceOf(connection, before, now);
      clearTimeout(waiting);
      if (connection.state === 'retrying' && face !== 'reconnecting')
        waiting = setTimeout(see, connection.since + PATIENCE_MS - now, { ...connection, since: 0 });
      set(all, { class: face, part: `connection ${face}`, hidden: face === 'none' });
      text.className = face === 'connecting' ? 'sr' : '';
      const words = face === 'none' ? '' : this.say(face);
      // The same words again would be said again.
      if (text.textContent !== words) text.textContent = words;
      retry.hidden = face !== 'offline';
      reason.textContent = retry.hidden ? '' : this.say(reasonOf(connection));
      if (face === 'live' && before !== face) pulse(3);
    };
    this.follow(() => see(client.connection.get()), client.connection);

    let newest = 0;
    this.follow(() => {
      const before = newest;
      newest = Math.max(1, ...client.alerts.get().map(({ createdAt }) => Date.parse(createdAt)));
      if (before > 0 && newest > before && face === 'live') pulse(1);
    }, client.alerts);

    // What happens while a page opens is not worth saying; from then on, what takes long enough to be shown is.
    const settled = setTimeout(() => set(status, { role: 'status' }), PATIENCE_MS);
    this.until(() => {
      clearTimeout(settled);
      clearTimeout(waiting);
    });
  }
}
