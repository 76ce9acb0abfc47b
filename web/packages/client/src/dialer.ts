/** The wires of a connection: the one in use, the one that will take its place, and whether WebSockets get through here. */

import type { Browser } from './browser.js';
import { type LifeEvent, LOST } from './connection.js';
import { asFailure } from './failure.js';
import type { Call } from './rest.js';
import { openSocket } from './socket.js';
import type { Tokens } from './token.js';
import type { ClientErrorCode, ClientOptions, TokenRequest } from './types.js';
import type { OpenEvents, Wire, WireEvents } from './wire.js';

/** Upgrades in a row that failed before they were open, until another way is tried. */
const BLOCKED_AFTER = 3;
const WEBSOCKET_AGAIN_MS = 600_000;

/** One attempt and what became of it. */
export interface Slot {
  wire?: Wire;
  /** Frames of it were handed on. */
  heard?: boolean;
}

export interface DialerParts {
  readonly browser: Browser;
  readonly tokens: Tokens;
  readonly call: Call;
  /** The wire for networks that let no WebSocket through. */
  readonly openEvents: OpenEvents;
  readonly options: ClientOptions;
}

export interface DialerHost {
  /** A slot's text came. */
  text(slot: Slot, text: string): void;
  event(event: LifeEvent): void;
  isConnected(): boolean;
}

export interface Dialer {
  /** The one in use, or on its way to be. */
  current(): Slot | null;
  /** An attempt in the place of whatever there is. */
  dial(reason: TokenRequest['reason']): void;
  /** An attempt beside it, so that no gap is seen. */
  replace(): void;
  /** Whether what comes on it still counts. */
  counts(slot: Slot): boolean;
  /** The server answered on it: it takes the place of the other one. */
  established(slot: Slot): void;
  drop(): void;
  /** Forgets what was learned of the network. */
  reset(): void;
}

export function createDialer({ browser, tokens, call, openEvents, options }: DialerParts, host: DialerHost): Dialer {
  const { clock } = browser;
  const always = options.transport === 'sse' || !browser.WebSocket;
  let current: Slot | null = null;
  let successor: Slot | null = null;
  let onlySse = always;
  let blocked = 0;
  let again: unknown;

  const counts = (slot: Slot): boolean => slot === current || slot === successor;
  const ended =
    (slot: Slot, sse: boolean): WireEvents['end'] =>
    (code, reason, opened, error) => {
      if (slot === successor) successor = null;
      if (slot !== current) return;
      if (opened || sse) blocked = 0;
      else if (++blocked >= BLOCKED_AFTER) void tryOther();
      host.event({ on: 'end', code, reason, ...(error && { error }) });
    };
  const open = async (slot: Slot, reason: TokenRequest['reason'], sse: boolean): Promise<void> => {
    const events: WireEvents = {
      text: (text) => host.text(slot, text),
      life: () => slot === current && host.event({ on: 'heard' }),
      end: ended(slot, sse),
    };
    let step: ClientErrorCode = 'token-unavailable';
    try {
      const token = await tokens.forConnection(reason);
      if (!counts(slot)) return;
      step = 'connect-failed';
      if (token === undefined) return host.event({ on: 'stop' });
      if (sse) {
        const wire = await openEvents(token, events);
        if (!counts(slot)) return wire.close();
        slot.wire = wire;
      } else if (browser.WebSocket) {
        slot.wire = openSocket(browser.WebSocket, browser.base, token, options.auth ?? 'subprotocol', events);
      }
    } catch (error) {
      events.end(LOST, '', true, asFailure(error, step));
    }
  };
  const replace = (sse: boolean) => {
    successor?.wire?.close();
    successor = {};
    void open(successor, 'connect', sse);
  };
  const drop = () => {
    for (const slot of [current, successor]) slot?.wire?.close();
    current = successor = null;
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
    host.event({ on: 'wake' });
    const retry = () => {
      if (!onlySse) return;
      if (host.isConnected()) replace(false);
      again = clock.setTimeout(retry, WEBSOCKET_AGAIN_MS);
    };
    again = clock.setTimeout(retry, WEBSOCKET_AGAIN_MS);
  };

  return {
    current: () => current,
    dial(reason) {
      drop();
      current = {};
      void open(current, reason, onlySse);
    },
    replace: () => replace(onlySse),
    counts,
    established(slot) {
      if (slot !== successor) return;
      current?.wire?.close();
      current = slot;
      successor = null;
      onlySse &&= slot.wire?.kind === 'sse';
    },
    drop,
    reset() {
      clock.clearTimeout(again);
      onlySse = always;
    },
  };
}
