/** The server's side of one live connection, whatever carries it. */

import type { ClientFrame, ServerMessage, StateChange } from '@belfry/protocol';
import type { FakeHouse } from './fake-house.js';
import { inRange, type Row } from './fake-inbox.js';

/** What carries frames to the client. */
export interface Carrier {
  text(text: string): void;
  end(code: number, reason: string): void;
}

/** What a connection begins with. */
export interface ConnectionParts {
  readonly id: string;
  readonly user: string;
  readonly house: FakeHouse;
  readonly carrier: Carrier;
  /** The client offered `belfry.v1`: it resumes, and confirms. Else it is live at once. */
  readonly resumes: boolean;
  readonly tokenExpiresAt: string | null;
  readonly heartbeat: { readonly interval_ms: number; readonly timeout_ms: number };
  /** Whose a token is; `null`: nobody's. */
  readonly userOf: (token: string) => string | null;
  readonly closed: (connection: FakeConnection) => void;
}

const changes: Readonly<Record<string, StateChange>> = {
  seen: 'seen',
  read: 'read',
  unread: 'unread',
  archive: 'archived',
  unarchive: 'unarchived',
  acted: 'acted',
};

/** One client that is connected. */
export class FakeConnection {
  readonly id: string;
  readonly user: string;
  /** The frames it sent, in order. */
  readonly received: ClientFrame[] = [];
  readonly #parts: ConnectionParts;
  #live: boolean;
  #open = true;
  #stalled: string[] | null = null;
  #lose = 0;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.user = parts.user;
    this.#live = !parts.resumes;
    const { inbox, preferencesRev } = parts.house.person(parts.user);
    const data = {
      connection_id: parts.id,
      user_id: parts.user,
      head: inbox.cursor(),
      unread: inbox.unread,
      do_not_disturb: parts.house.quiet(parts.user),
      preferences_rev: preferencesRev,
      heartbeat: parts.heartbeat,
      ack: parts.resumes ? ('frames' as const) : ('ping' as const),
      token_expires_at: parts.tokenExpiresAt,
      server: { node: 'fake', version: '0.1.0' },
    };
    this.#send({ type: 'connection-established', data, timestamp: parts.house.timestamp() });
  }

  /** Whether it gets alerts: it said where it stands. */
  get live(): boolean {
    return this.#live && this.#open;
  }

  /** What happens in the house. */
  tell(message: ServerMessage): void {
    if (!this.live) return;
    if (this.#lose > 0) this.#lose -= 1;
    else this.#send(message);
  }

  /** Nothing goes out any more, as over a dead link; `flow` lets it out. */
  stall(): void {
    this.#stalled ??= [];
  }

  flow(): void {
    const waiting = this.#stalled ?? [];
    this.#stalled = null;
    for (const text of waiting) this.#parts.carrier.text(text);
  }

  /** The next frames never arrive: a gap. */
  lose(frames: number): void {
    this.#lose += frames;
  }

  ping(): void {
    const { inbox } = this.#parts.house.person(this.user);
    const data = { heads: { ...inbox.heads }, unread: inbox.unread };
    this.#send({ type: 'ping', data, timestamp: this.#parts.house.timestamp() });
  }

  goAway(afterMs: number): void {
    const data = { reconnect_after_ms: afterMs };
    this.#send({ type: 'going-away', data, timestamp: this.#parts.house.timestamp() });
    this.end(4000, 'going-away');
  }

  end(code: number, reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#parts.closed(this);
    this.#parts.carrier.end(code, reason);
  }

  /** The client said something. */
  hear(text: string): void {
    if (this.#stalled !== null) return;
    let frame: ClientFrame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#error('frame-invalid', 'the frame is no JSON');
      return;
    }
    this.received.push(frame);
    this.#answer(frame);
  }

  #answer(frame: ClientFrame): void {
    const { house } = this.#parts;
    const { inbox } = house.person(this.user);
    if (frame.type === 'ping') {
      this.#send({ type: 'pong', data: frame.data, timestamp: house.timestamp() });
    } else if (frame.type === 'resume') {
      this.#live = true;
      for (const message of inbox.resume(frame.data.cursor, frame.data.max)) this.#send(message);
    } else if (frame.type === 'ack') {
      const { ids, stream, after, up_to: upTo, level } = frame.data;
      const rows = ids
        ? ids.map((id) => inbox.find(id)).filter((row): row is Row => row !== undefined)
        : inRange(inbox.rows, stream ?? 'user', after ?? 0, upTo ?? 0);
      for (const row of rows) inbox.raise(row, level);
    } else if (frame.type === 'authenticate') {
      if (this.#parts.userOf(frame.data.token) !== this.user) this.end(4401, 'token-invalid');
    } else {
      const to = changes[frame.type];
      const { ids, up_to: upTo } = frame.data as { ids?: string[]; up_to?: string };
      const selection = ids ? { ids } : upTo ? { up_to: upTo } : {};
      if (to !== undefined) house.change(this.user, selection, to);
    }
  }

  #error(code: 'frame-invalid', message: string): void {
    const data = { code, message, docs: `/docs/errors/${code}` };
    this.#send({ type: 'error', data, timestamp: this.#parts.house.timestamp() });
  }

  #send(message: ServerMessage): void {
    if (!this.#open) return;
    const text = JSON.stringify(message);
    if (this.#stalled !== null) this.#stalled.push(text);
    else this.#parts.carrier.text(text);
  }
}
