/** A network with the model server at its other end: real clients connect to it, and tests cut, refuse and delay. */

import type { ClientFrame, InboxStateBody, ServerMessage } from '@belfry/protocol';
import { createFakeClock, type FakeClock } from '../../../testing/src/fake-clock.js';
// The lazy chunk is here already: loading it takes time that no fake clock has.
import '../../src/account.js';
import { createClient } from '../../src/client.js';
import type { BelfryError, Client, ClientOptions, ConnectionState } from '../../src/types.js';
import { type Entry, headsOf, ModelServer, type PublishOptions } from './model-server.js';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly authorization: string | null;
}

/** One WebSocket of the client, seen from the server. */
export class FakeSocket {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: ClientFrame[] = [];
  readonly url: URL;
  readonly protocols: readonly string[];
  /** The link is cut without anybody hearing of it. */
  silent = false;

  constructor(
    readonly net: Online,
    url: string | URL,
    protocols: readonly string[],
  ) {
    this.url = new URL(url);
    this.protocols = protocols;
    net.sockets.push(this);
    queueMicrotask(() => net.answers(this));
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.sent.push(frame);
    if (!this.silent) queueMicrotask(() => this.net.hears(this, frame));
  }

  close(): void {
    this.readyState = 3;
  }

  say(frame: ServerMessage): void {
    if (this.readyState === 1 && !this.silent) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  end(code: number, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** Data of the frames of this type that came from the client. */
  of(type: ClientFrame['type']): unknown[] {
    return this.sent.filter((frame) => frame.type === type).map((frame) => frame.data);
  }
}

export class Online {
  readonly clock: FakeClock = createFakeClock();
  readonly model = new ModelServer();
  readonly sockets: FakeSocket[] = [];
  readonly requests: Request[] = [];
  readonly errors: BelfryError[] = [];
  readonly stored = new Map<string, string>();
  /** The whole network is out. */
  out = false;
  /** WebSockets do not get through. */
  blocked = false;
  /** The code that refuses the next connections. */
  refuses: number | null = null;
  /** Further facts of `connection-established`. */
  facts: object = {};
  /** Answers instead of the model, or nothing. */
  answer: (request: Request) => Response | Promise<Response> | undefined = () => undefined;
  events: ReadableStreamDefaultController<Uint8Array> | null = null;

  readonly WebSocket: typeof WebSocket;

  constructor() {
    const net = this;
    this.WebSocket = function Socket(url: string | URL, protocols: string[]) {
      return new FakeSocket(net, url, protocols);
    } as unknown as typeof WebSocket;
  }

  client(options: ClientOptions = {}): Client {
    return createClient({ ...this.#options(), ...options });
  }

  #options(): ClientOptions {
    return {
      url: 'https://shop.example/belfry',
      user: 'ann',
      tabs: 'independent',
      WebSocket: this.WebSocket,
      fetch: this.fetch,
      clock: this.clock,
      random: () => 0.5,
      storage: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => void this.stored.set(key, value),
        removeItem: (key) => void this.stored.delete(key),
      },
      onError: (error) => this.errors.push(error),
    };
  }

  /** A client of an application that does not know who is signed in. */
  createUnknown(): Client {
    const { user: _, ...options } = this.#options();
    return createClient({ ...options, tabs: 'shared' });
  }

  /** A client that is live. */
  async live(options: ClientOptions = {}): Promise<Client> {
    const client = this.client(options);
    client.connect();
    await this.until(client, 'live');
    return client;
  }

  async until(client: Client, state: ConnectionState): Promise<void> {
    for (let turn = 0; client.connection.get().state !== state; turn++) {
      if (turn > 50) throw new Error(`is ${client.connection.get().state}, never ${state}`);
      await this.clock.settle();
    }
  }

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error('nobody connected');
    return last;
  }

  async publish(options: PublishOptions = {}): Promise<Entry> {
    const entry = this.model.publish(options);
    await this.deliver();
    return entry;
  }

  /** Everything under way arrives. */
  async deliver(): Promise<void> {
    for (;;) {
      const frame = this.model.next();
      if (!frame) break;
      this.say(frame);
    }
    await this.clock.settle();
  }

  say(frame: ServerMessage): void {
    if (this.events) this.events.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`));
    else this.sockets.at(-1)?.say(frame);
  }

  /** The server ends the connection. */
  async drop(code = 1006): Promise<void> {
    this.model.live = false;
    this.model.down = [];
    this.socket.end(code);
    await this.clock.settle();
  }

  answers(socket: FakeSocket) {
    if (socket.readyState !== 0) return;
    if (this.out || this.blocked) return socket.end(1006);
    this.model.live = false;
    this.model.down = [];
    socket.readyState = 1;
    socket.onopen?.();
    if (this.refuses !== null) return socket.end(this.refuses);
    socket.say(this.model.established(this.facts));
  }

  hears(socket: FakeSocket, frame: ClientFrame): void {
    if (socket.readyState !== 1) return;
    if (frame.type === 'ack') this.model.acks.push(frame.data);
    if (frame.type === 'ping') socket.say({ type: 'pong', data: frame.data, timestamp: '2026-01-01T00:00:00Z' });
    if (frame.type !== 'resume') return;
    this.model.resume(frame.data.cursor, frame.data.max);
    for (let next = this.model.next(); next; next = this.model.next()) socket.say(next);
  }

  asked(method: string, path: string): Request[] {
    return this.requests.filter((request) => request.method === method && request.path === path);
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(String(input));
    const request: Request = {
      method: init.method ?? 'GET',
      path: url.pathname.replace('/belfry/', ''),
      query: url.searchParams,
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
      authorization: new Headers(init.headers).get('authorization'),
    };
    this.requests.push(request);
    if (this.out) throw new TypeError('Failed to fetch');
    return (await this.answer(request)) ?? this.#answer(request, init.signal ?? undefined);
  };

  async #answer({ method, path, query, body }: Request, signal?: AbortSignal): Promise<Response> {
    if (path === 'v1/inbox') return Response.json(this.model.inbox(query));
    if (path === 'v1/events') return this.#events(query, signal);
    if (path === 'v1/acks') {
      this.model.acks.push(body as (typeof this.model.acks)[number]);
      return new Response(null, { status: 204 });
    }
    if (path === 'v1/inbox/state') {
      const { ids, up_to, state } = body as InboxStateBody;
      const named = this.model.entries.filter((entry) => ids?.includes(entry.id));
      const seq = up_to ? this.model.readUpTo(headsOf(up_to)) : this.model.change(named, state);
      const answer = Response.json({ unread: this.model.unread, seq });
      queueMicrotask(() => void this.deliver());
      return answer;
    }
    return problem(404, 'not-found', `${method} ${path}`);
  }

  #events(query: URLSearchParams, signal?: AbortSignal): Response {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.events = controller;
        this.model.live = false;
        this.model.down = [];
        this.say(this.model.established(this.facts));
        const cursor = query.get('cursor');
        if (cursor) this.model.resume(cursor, null);
        for (let next = this.model.next(); next; next = this.model.next()) this.say(next);
        signal?.addEventListener('abort', () => {
          if (this.events === controller) this.events = null;
          controller.error(new DOMException('aborted', 'AbortError'));
        });
      },
    });
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
  }
}

export function problem(status: number, code: string, detail = code, headers: HeadersInit = {}): Response {
  const body = { type: `/docs/errors/${code}`, title: code, status, detail, code };
  return Response.json(body, { status, headers: { 'content-type': 'application/problem+json', ...headers } });
}
