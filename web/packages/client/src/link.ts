/** The edge: runs the connection's decisions on real wires, timers and tokens. */

import { type ErrorMessageData, parseServerMessage, type ServerMessage } from '@belfry/protocol';
import { listen, pageDocument, pageWindow } from './browser.js';
import { type Act, createLife, type LifeEvent, type Policy } from './connection.js';
import { createDialer, type DialerParts, type Slot } from './dialer.js';
import { asFailure, failure } from './failure.js';
import type { BelfryError, ClientOptions, Connection } from './types.js';

/** What applications hear of. */
const VISIBLE = ['state', 'attempts', 'retryAt', 'error', 'transport', 'role'] as const;

/** Whether applications see a difference. */
export const differs = (a: Connection, b: Connection): boolean => VISIBLE.some((field) => a[field] !== b[field]);

/** The server's wall clock: that of a laptop may be wrong by hours. */
export interface ServerTime {
  /** What it is ahead of this side's, in milliseconds. */
  skew: number;
  now(): number;
}

/** Whether a frame was made the moment it was sent. */
export const tellsTime = ({ type }: { type: string }): boolean => type === 'connection-established' || type === 'ping';

export interface LinkHost {
  /** Whether a connection of this person is the one that is wanted. */
  admits(user: string): boolean;
  /** Once somebody is here who can receive. */
  when(run: () => void): void;
  receive(message: ServerMessage): void;
  changed(): void;
  report(error: BelfryError): void;
}

export interface Link {
  start(): void;
  stop(): void;
  event(event: LifeEvent): void;
  /** `false`: not open. */
  send(type: string, data: unknown): boolean;
  view(role: Connection['role']): Connection;
  /** Whether frames of this connection were handed on: what follows from its first one has happened. */
  heard(): boolean;
}

export interface LinkParts extends DialerParts {
  readonly time: ServerTime;
  readonly host: LinkHost;
}

export function createLink({ time, host, ...parts }: LinkParts): Link {
  const { browser, tokens, call, options } = parts;
  const { clock } = browser;
  const policy: Policy = {
    backoff: [1_000, 2_000, 5_000, 10_000, 30_000],
    jitter: 'full',
    maxAttempts: 10,
    afterMaxAttempts: 'probe',
    connectTimeoutMs: 10_000,
    stableAfterMs: 30_000,
    parkHiddenAfterMs: browser.mobile() && 60_000,
    ...given(options),
  };
  const life = createLife(policy);
  const dialer = createDialer(parts, {
    text: (slot, text) => hear(slot, text),
    event: (happened) => event(happened),
    isConnected: () => view('none').isConnected,
  });
  let timer: unknown;
  let unlisten: (() => void)[] = [];
  let connectionId = '';

  const view: Link['view'] = (role) => life.view(role, dialer.current()?.wire?.kind ?? null);
  const event = (happened: LifeEvent) => {
    const before = view('none');
    for (const act of life.on(happened, clock.now(), browser.random())) perform(act);
    clock.clearTimeout(timer);
    const at = life.due();
    timer = at === null ? undefined : clock.setTimeout(() => event({ on: 'time' }), at - clock.now());
    const after = view('none');
    if (differs(before, after)) host.changed();
    if (after.error && after.error !== before.error) host.report(after.error);
  };
  const perform = (act: Act) => {
    if (act.act === 'dial') dialer.dial(act.reason);
    else if (act.act === 'close') dialer.drop();
    else if (act.act === 'probe') send('ping', null);
    else void renew();
  };

  const hear = (slot: Slot, text: string) => {
    if (!dialer.counts(slot)) return;
    const message = parseServerMessage(text);
    if (message?.type === 'connection-established') dialer.established(slot);
    if (slot !== dialer.current()) return;
    event({ on: 'heard' });
    if (!message) return;
    if (!('id' in message)) {
      if (tellsTime(message)) time.skew = Date.parse(message.timestamp) - clock.now();
      if (message.type === 'connection-established') {
        const { data } = message;
        if (!host.admits(data.user_id)) {
          event({ on: 'fail', error: failure('user-changed') });
          return;
        }
        connectionId = data.connection_id;
        const { interval_ms, timeout_ms } = data.heartbeat;
        const { token_expires_at: expires } = data;
        const token = expires && (tokens.held || options.refresh) ? lifeOf(expires) : null;
        event({ on: 'established', patience: interval_ms + timeout_ms, token });
      } else if (message.type === 'ping') send('pong', message.data);
      else if (message.type === 'going-away') event({ on: 'going-away', afterMs: message.data.reconnect_after_ms });
      else if (message.type === 'error') event({ on: 'error', error: told(message.data) });
    }
    host.when(() => {
      // What a connection brought that has ended meanwhile comes again with the next one.
      if (slot !== dialer.current()) return;
      slot.heard = true;
      host.receive(message);
    });
  };
  /** Both times are the server's: a wrong clock on this side plays no part. */
  const lifeOf = (expires: string): number => Math.max(Date.parse(expires) - time.now(), 0);

  const renew = async (): Promise<void> => {
    const slot = dialer.current();
    try {
      const fresh = await tokens.renew('expiring');
      if (slot !== dialer.current()) return;
      if (!fresh) return event({ on: 'stop' });
      let token: number | null = null;
      const frame = tokens.held && { token: await tokens.current() };
      if (!frame || !send('authenticate', frame)) {
        const path = `v1/connections/${connectionId}/authenticate`;
        const { token_expires_at: expires } = await call<{ token_expires_at: string | null }>('POST', path);
        if (expires) token = lifeOf(expires);
      }
      event({ on: 'renewed', token });
    } catch (error) {
      if (slot !== dialer.current()) return;
      const trouble = asFailure(error, 'token-unavailable');
      // Another node holds the connection: a new one with the fresh cookie takes its place.
      if (trouble.code === 'connection-unknown') return dialer.replace();
      host.report(trouble);
      event({ on: 'renew-failed' });
    }
  };

  const send: Link['send'] = (type, data) => dialer.current()?.wire?.send(type, data) ?? false;

  return {
    event,
    send,
    start() {
      // It may have been started before this tab came to lead.
      if (view('none').state !== 'idle') return;
      const wake = () => event({ on: 'wake' });
      unlisten = [
        listen(pageWindow(), ['online', 'focus', 'pageshow'], wake),
        listen(pageDocument(), ['resume'], wake),
      ];
      event({ on: 'start' });
    },
    stop() {
      for (const stop of unlisten.splice(0)) stop();
      dialer.reset();
      event({ on: 'stop' });
    },
    view,
    heard: () => !!dialer.current()?.heard,
  };
}

const told = ({ code, message, retry_after_ms: after, docs }: ErrorMessageData): BelfryError =>
  failure(code, message, { retryAfterMs: after ?? null, docs, retryable: after !== undefined });

/** What was given as `undefined` was not given. */
const given = (options: ClientOptions): Partial<Policy> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
