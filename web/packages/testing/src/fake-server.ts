/** A server in memory that speaks `belfry.v1`: for tests of an application with the real client. */

import type { Clock } from '@belfry/client';
import type { ClientFrame, DoNotDisturb, ErrorCode, ItemState, Level, StateChange } from '@belfry/protocol';
import { BEARER_SUBPROTOCOL_PREFIX, closeCode, isErrorCode, SUBPROTOCOL } from '@belfry/protocol';
import { type Carrier, FakeConnection } from './fake-connection.js';
import { type FakeAlert, type FakeAudience, FakeHouse } from './fake-house.js';
import { answer, type FakeRequest, problem } from './fake-http.js';
import { FakeSocket, type SocketHost } from './fake-socket.js';

/** What a fake server starts with. */
export interface FakeServerOptions {
  /** With one, the heartbeat runs by it. */
  clock?: Clock;
  /** Whose a token is; `null`: it is refused. Default: a JWT's `sub`, else the token is the user's id. */
  userOf?: (token: string) => string | null;
  heartbeat?: { readonly interval_ms: number; readonly timeout_ms: number };
}

/** The server, in the hands of a test. */
export interface FakeServer {
  /** For `createClient({ url })`. */
  readonly url: string;
  /** For `createClient({ WebSocket, fetch })`. */
  readonly WebSocket: typeof WebSocket;
  readonly fetch: typeof fetch;
  /** Whose cookie the browser holds; `null`: none. Used where a request brings no token. */
  cookie: string | null;

  /** Stores an alert and hands it out; answers its id. */
  publish(to: FakeAudience, alert: FakeAlert): string;
  recall(id: string): void;
  expire(id: string): void;
  /** Another device of this person changed these. */
  change(user: string, ids: readonly string[], to: StateChange): void;
  setDoNotDisturb(user: string, setting: Partial<DoNotDisturb>): void;
  /** Cursors mean nothing any more, as after a restore. */
  renumber(): void;

  /** Every connection ends; without a code without a word. */
  drop(code?: number): void;
  /** The link is dead, and nobody is told: nothing goes out, nothing comes in. `flow` ends it. */
  stall(): void;
  flow(): void;
  /** The next frames of every live connection get lost. */
  lose(frames?: number): void;
  /** Every new connection is refused with this close code, until `accept`. */
  refuse(code: number): void;
  accept(): void;
  /** The network is gone: connections end, new ones fail, requests too. `plugIn` ends it. */
  unplug(): void;
  plugIn(): void;
  /** Clients are told when to come back; then their connections end. */
  goAway(afterMs?: number): void;
  /** A heartbeat, now. */
  ping(): void;
  /** The next requests are answered with this problem. */
  failRequests(code: ErrorCode, times?: number): void;

  readonly connections: readonly FakeConnection[];
  /** Upgrades that were asked for, refused ones too. */
  readonly dials: number;
  readonly requests: readonly FakeRequest[];
  /** The frames of every connection there ever was, in order. */
  readonly received: readonly ClientFrame[];
  unreadOf(user: string): number;
  /** What became of an alert with this person. */
  standing(user: string, id: string): { readonly state: ItemState; readonly level: Level | null } | null;
}

/** Makes a server that nobody is connected to. */
export function createFakeServer(options: FakeServerOptions = {}): FakeServer {
  return new InMemoryServer(options);
}

const usualHeartbeat = { interval_ms: 30_000, timeout_ms: 10_000 };

class InMemoryServer implements FakeServer {
  readonly url = 'http://belfry.test/';
  readonly WebSocket: typeof WebSocket;
  readonly fetch: typeof fetch;
  cookie: string | null = null;
  readonly requests: FakeRequest[] = [];
  readonly received: ClientFrame[] = [];
  dials = 0;
  readonly #options: FakeServerOptions;
  readonly #house: FakeHouse;
  readonly #open = new Set<FakeConnection>();
  readonly #bySocket = new WeakMap<FakeSocket, FakeConnection>();
  #refusal: number | null = null;
  #unplugged = false;
  #stalled: { readonly over: Promise<void>; readonly end: () => void } | null = null;
  readonly #failures: ErrorCode[] = [];
  #names = 0;

  constructor(options: FakeServerOptions) {
    this.#options = options;
    const now = (): number => options.clock?.now() ?? Date.now();
    this.#house = new FakeHouse(now, (user, message) => {
      for (const connection of this.#open) if (connection.user === user) connection.tell(message);
    });
    this.WebSocket = this.#socketClass();
    this.fetch = (input, init) => this.#answer(new Request(input, init));
    this.#beat();
  }

  get connections(): readonly FakeConnection[] {
    return [...this.#open];
  }

  publish(to: FakeAudience, alert: FakeAlert): string {
    return this.#house.publish(to, alert);
  }

  recall(id: string): void {
    this.#house.leave(id, 'recalled');
  }

  expire(id: string): void {
    this.#house.leave(id, 'expired');
  }

  change(user: string, ids: readonly string[], to: StateChange): void {
    this.#house.change(user, { ids }, to);
  }

  setDoNotDisturb(user: string, setting: Partial<DoNotDisturb>): void {
    this.#house.setDoNotDisturb(user, { ...this.#house.person(user).doNotDisturb, ...setting });
  }

  renumber(): void {
    this.#house.renumber();
  }

  drop(code = 1006): void {
    for (const connection of this.connections) connection.end(code, closeCode(code)?.slug ?? '');
  }

  stall(): void {
    if (this.#stalled === null) {
      let end = (): void => {};
      const over = new Promise<void>((resolve) => {
        end = resolve;
      });
      this.#stalled = { over, end };
    }
    for (const connection of this.#open) connection.stall();
  }

  flow(): void {
    this.#stalled?.end();
    this.#stalled = null;
    for (const connection of this.connections) connection.flow();
  }

  lose(frames = 1): void {
    for (const connection of this.#open) connection.lose(frames);
  }

  refuse(code: number): void {
    this.#refusal = code;
  }

  accept(): void {
    this.#refusal = null;
  }

  unplug(): void {
    this.#unplugged = true;
    this.drop();
  }

  plugIn(): void {
    this.#unplugged = false;
  }

  goAway(afterMs = 1_000): void {
    for (const connection of this.connections) connection.goAway(afterMs);
  }

  ping(): void {
    for (const connection of this.#open) connection.ping();
  }

  failRequests(code: ErrorCode, times = 1): void {
    for (let n = 0; n < times; n += 1) this.#failures.push(code);
  }

  unreadOf(user: string): number {
    return this.#house.person(user).inbox.unread;
  }

  standing(user: string, id: string): ReturnType<FakeServer['standing']> {
    const row = this.#house.person(user).inbox.find(id);
    return row === undefined || row.left !== null ? null : { state: row.state, level: row.level };
  }

  // Connections.

  #socketClass(): typeof WebSocket {
    const host: SocketHost = {
      opening: (socket) => this.#opening(socket),
      heard: (socket, text) => this.#bySocket.get(socket)?.hear(text),
      gone: (socket) => this.#bySocket.get(socket)?.end(1005, ''),
    };
    class BoundSocket extends FakeSocket {
      constructor(url: string | URL, protocols?: string | readonly string[]) {
        super(host, url, protocols);
      }
    }
    // Everything the client uses of a `WebSocket` is there; the rest of the DOM's interface is not.
    return BoundSocket as unknown as typeof WebSocket;
  }

  #opening(socket: FakeSocket): void {
    this.dials += 1;
    // A dead link answers no upgrade: the client's own time-out ends it.
    if (this.#unplugged) socket.drop(1006, '');
    else if (this.#stalled === null) this.#upgrade(socket);
  }

  #upgrade(socket: FakeSocket): void {
    const query = new URL(socket.url).searchParams;
    const bearer = socket.protocols.find((one) => one.startsWith(BEARER_SUBPROTOCOL_PREFIX));
    const user = this.#userOf(bearer?.slice(BEARER_SUBPROTOCOL_PREFIX.length) ?? query.get('token'));
    const refusal = this.#refusal ?? (user === null ? 4401 : null);
    const speaks = socket.protocols.includes(SUBPROTOCOL);
    const carrier: Carrier = { text: (text) => socket.deliver(text), end: (code, reason) => socket.drop(code, reason) };
    // Browsers hide the status of a failed upgrade, so a client that speaks the protocol is let in to be refused.
    if (refusal === null || speaks) socket.accept(speaks ? SUBPROTOCOL : '');
    else socket.drop(1006, '');
    if (refusal !== null) this.#turnAway(carrier, refusal);
    else if (user !== null) this.#bySocket.set(socket, this.#connect(user, carrier, speaks));
  }

  #connect(user: string, carrier: Carrier, resumes: boolean): FakeConnection {
    this.#names += 1;
    const connection = new FakeConnection({
      id: `connection-${this.#names}`,
      user,
      house: this.#house,
      carrier,
      resumes,
      tokenExpiresAt: null,
      heartbeat: this.#options.heartbeat ?? usualHeartbeat,
      userOf: (token) => this.#userOf(token),
      closed: (gone) => this.#open.delete(gone),
    });
    const { received } = this;
    const push = connection.received.push.bind(connection.received);
    connection.received.push = (...frames) => {
      received.push(...frames);
      return push(...frames);
    };
    this.#open.add(connection);
    return connection;
  }

  #turnAway(carrier: Carrier, code: number): void {
    const entry = closeCode(code);
    const slug = entry?.slug ?? 'internal';
    // Where a close code and an error have one name they mean one thing.
    const named: ErrorCode = isErrorCode(slug) ? slug : code >= 4400 && code < 4500 ? 'unauthorized' : 'internal';
    const data = { code: named, message: entry?.cause ?? 'refused', docs: `/docs/errors/${named}` };
    carrier.text(JSON.stringify({ type: 'error', data, timestamp: this.#house.timestamp() }));
    carrier.end(code, slug);
  }

  #userOf(token: string | null): string | null {
    if (token === null) return this.cookie;
    return this.#options.userOf === undefined ? subjectOf(token) : this.#options.userOf(token);
  }

  #beat(): void {
    const { clock, heartbeat = usualHeartbeat } = this.#options;
    clock?.setTimeout(() => {
      this.ping();
      this.#beat();
    }, heartbeat.interval_ms);
  }

  // Requests.

  async #answer(request: Request): Promise<Response> {
    const text = request.body === null ? '' : await request.text();
    if (this.#stalled !== null) await orAborted(this.#stalled.over, request.signal);
    if (this.#unplugged) throw new TypeError('fetch failed');
    request.signal.throwIfAborted();
    const { pathname: path, searchParams: query } = new URL(request.url);
    const bearer = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
    const user = this.#userOf(bearer ?? query.get('token'));
    const seen: FakeRequest = { method: request.method, path, query, body: text === '' ? null : parse(text), user };
    this.requests.push(seen);
    const failure = this.#failures.shift();
    if (failure !== undefined) return problem(failure);
    if (path === '/v1/events' && request.method === 'GET') return this.#events(seen, request.signal);
    return answer(this.#house, seen, (id) => [...this.#open].some((one) => one.id === id && one.user === user));
  }

  #events({ user, query }: FakeRequest, signal: AbortSignal): Response {
    if (user === null || this.#refusal !== null) return problem('unauthorized');
    const encoder = new TextEncoder();
    let connection: FakeConnection | null = null;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        let ended = false;
        const end = (): void => {
          if (!ended) controller.close();
          ended = true;
        };
        const text = (frame: string): void => {
          if (!ended) controller.enqueue(encoder.encode(`data: ${frame}\n\n`));
        };
        connection = this.#connect(user, { text, end }, true);
        const cursor = query.get('cursor');
        const max = query.get('max');
        const data = { cursor, max: max === null ? null : Number(max) };
        connection.hear(JSON.stringify({ type: 'resume', data }));
        signal.addEventListener('abort', () => connection?.end(1005, ''), { once: true });
      },
      cancel: () => connection?.end(1005, ''),
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }
}

function orAborted(over: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void over.then(resolve);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A JWT's `sub`; any other text is the id itself. */
function subjectOf(token: string): string | null {
  const [, payload] = token.split('.');
  if (payload === undefined) return token === '' ? null : token;
  try {
    const { sub } = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/')));
    return typeof sub === 'string' ? sub : null;
  } catch {
    return null;
  }
}
