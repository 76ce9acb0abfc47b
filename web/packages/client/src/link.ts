/** The edge: runs the connection's decisions on real wires, timers and tokens. */

import { type ErrorMessageData, parseServerMessage, type ServerMessage } from '@belfry/protocol';
import { type Browser, listen, pageDocument, pageWindow } from './browser.js';
import { type Act, createLife, type LifeEvent, LOST, type Policy } from './connection.js';
import { asFailure, failure } from './failure.js';
import type { Call } from './rest.js';
import { openSocket } from './socket.js';
import type { Tokens } from './token.js';
import type { BelfryError, ClientErrorCode, ClientOptions, Connection, TokenRequest } from './types.js';
import type { OpenEvents, Wire } from './wire.js';

/** Upgrades in a row that failed before they were open, until another way is tried. */
const BLOCKED_AFTER = 3;
const WEBSOCKET_AGAIN_MS = 600_000;
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

export interface LinkParts {
  readonly browser: Browser;
  readonly tokens: Tokens;
  readonly call: Call;
  /** The wire for networks that let no WebSocket through. */
  readonly openEvents: OpenEvents;
  readonly options: ClientOptions;
  readonly time: ServerTime;
  readonly host: LinkHost;
}

/** One attempt and what became of it. */
interface Slot {
  wire?: Wire;
  heard?: boolean;
}

export function createLink({ browser, tokens, call, openEvents, options, time, host }: LinkParts): Link {
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
  /** The one in use, or on its way to be. */
  let current: Slot | null = null;
  /** One that will take its place once it is established, so that no gap is seen. */
  let successor: Slot | null = null;
  let timer: unknown;
  let unlisten: (() => void)[] = [];
  let blocked = 0;
  const always = options.transport === 'sse' || !browser.WebSocket;
  let onlySse = always;
  let again: unknown;
  let connectionId = '';

  const view: Link['view'] = (role) => life.view(role, current?.wire?.kind ?? null);
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
    if (act.act === 'dial') {
      drop();
      current = {};
      void dial(current, act.reason, onlySse);
    } else if (act.act === 'close') drop();
    else if (act.act === 'probe') send('ping', null);
    else void renew();
  };
  const drop = () => {
    for (const slot of [current, successor]) slot?.wire?.close();
    current = successor = null;
  };
  const isOurs = (slot: Slot): boolean => slot === current || slot === successor;

  const dial = async (slot: Slot, reason: TokenRequest['reason'], sse: boolean): Promise<void> => {
    const end = (code: number, why: string, opened: boolean, error?: BelfryError) => {
      if (slot === successor) successor = null;
      if (slot !== current) return;
      if (opened || sse) blocked = 0;
      else if (++blocked >= BLOCKED_AFTER) void tryOther();
      event(error ? { on: 'end', code, reason: why, error } : { on: 'end', code, reason: why });
    };
    const events = {
      text: (text: string) => hear(slot, text),
      life: () => slot === current && event({ on: 'heard' }),
      end,
    };
    let step: ClientErrorCode = 'token-unavailable';
    try {
      const token = await tokens.forConnection(reason);
      if (!isOurs(slot)) return;
      step = 'connect-failed';
      if (token === undefined) return event({ on: 'stop' });
      if (sse) {
        const wire = await openEvents(token, events);
        if (!isOurs(slot)) return wire.close();
        slot.wire = wire;
      } else if (browser.WebSocket) {
        slot.wire = openSocket(browser.WebSocket, browser.base, token, options.auth ?? 'subprotocol', events);
      }
    } catch (error) {
      end(LOST, '', true, asFailure(error, step));
    }
  };
  const replace = (sse: boolean) => {
    successor?.wire?.close();
    successor = {};
    void dial(successor, 'connect', sse);
  };

  /** Upgrades fail while the server answers: something in between does not let WebSockets through. */
  const tryOther = async (): Promise<void> => {
    if (onlySse || options.transport === 'websocket') return;
    try {
      await call('GET', 'v1/inbox?limit=1');
    } catch {
      return;
    }
    onlySse = true;
    event({ on: 'wake' });
    const retry = () => {
      if (!onlySse) return;
      if (view('none').isConnected) replace(false);
      again = clock.setTimeout(retry, WEBSOCKET_AGAIN_MS);
    };
    again = clock.setTimeout(retry, WEBSOCKET_AGAIN_MS);
  };

  const hear = (slot: Slot, text: string) => {
    if (!isOurs(slot)) return;
    const message = parseServerMessage(text);
    if (slot === successor && message?.type === 'connection-established') {
      current?.wire?.close();
      current = slot;
      successor = null;
      onlySse &&= slot.wire?.kind === 'sse';
    }
    if (slot !== current) return;
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
      if (slot !== current) return;
      slot.heard = true;
      host.receive(message);
    });
  };
  /** Both times are the server's: a wrong clock on this side plays no part. */
  const lifeOf = (expires: string): number => Math.max(Date.parse(expires) - time.now(), 0);

  const renew = async (): Promise<void> => {
    const slot = current;
    try {
      const fresh = await tokens.renew('expiring');
      if (slot !== current) return;
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
      if (slot !== current) return;
      const trouble = asFailure(error, 'token-unavailable');
      // Another node holds the connection: a new one with the fresh cookie takes its place.
      if (trouble.code === 'connection-unknown') return replace(onlySse);
      host.report(trouble);
      event({ on: 'renew-failed' });
    }
  };

  const send: Link['send'] = (type, data) => current?.wire?.send(type, data) ?? false;

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
      clock.clearTimeout(again);
      onlySse = always;
      event({ on: 'stop' });
    },
    view,
    heard: () => !!current?.heard,
  };
}

const told = ({ code, message, retry_after_ms: after, docs }: ErrorMessageData): BelfryError =>
  failure(code, message, { retryAfterMs: after ?? null, docs, retryable: after !== undefined });

/** What was given as `undefined` was not given. */
const given = (options: ClientOptions): Partial<Policy> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
