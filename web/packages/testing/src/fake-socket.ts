/** A `WebSocket` without a network: what the other side does is decided by a fake server. */

/** The other side of a socket. */
export interface SocketHost {
  /** Called a turn after the constructor, as an upgrade takes one. */
  opening(socket: FakeSocket): void;
  heard(socket: FakeSocket, text: string): void;
  gone(socket: FakeSocket): void;
}

type Handler = ((event: Event) => void) | null;

/** Behaves as a browser's `WebSocket` towards the code under test. */
export class FakeSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly url: string;
  readonly extensions = '';
  readonly bufferedAmount = 0;
  binaryType: 'blob' | 'arraybuffer' = 'blob';
  protocol = '';
  onopen: Handler = null;
  onmessage: Handler = null;
  onerror: Handler = null;
  onclose: Handler = null;
  /** What it offered. */
  readonly protocols: readonly string[];
  readonly #host: SocketHost;
  #state = 0;

  constructor(host: SocketHost, url: string | URL, protocols: string | readonly string[] = []) {
    super();
    this.#host = host;
    this.url = String(url);
    this.protocols = typeof protocols === 'string' ? [protocols] : [...protocols];
    queueMicrotask(() => {
      if (this.#state === 0) host.opening(this);
    });
  }

  get readyState(): number {
    return this.#state;
  }

  send(data: string): void {
    if (this.#state === 0) throw new DOMException('still connecting', 'InvalidStateError');
    if (this.#state === 1) queueMicrotask(() => this.#host.heard(this, data));
  }

  close(code = 1005, reason = ''): void {
    if (this.#state >= 2) return;
    const wasOpen = this.#state === 1;
    this.#state = 2;
    queueMicrotask(() => {
      this.#host.gone(this);
      this.#end(wasOpen ? code : 1006, reason, wasOpen);
    });
  }

  // What the fake server does.

  accept(protocol: string): void {
    this.protocol = protocol;
    this.#state = 1;
    this.#emit('open', {});
  }

  deliver(text: string): void {
    queueMicrotask(() => {
      if (this.#state === 1) this.#emit('message', { data: text, origin: new URL(this.url).origin });
    });
  }

  /** The other side is gone. 1006: without a word. */
  drop(code: number, reason: string): void {
    queueMicrotask(() => {
      if (code === 1006 && this.#state < 2) this.#emit('error', {});
      this.#end(code, reason, code !== 1006);
    });
  }

  #end(code: number, reason: string, wasClean: boolean): void {
    if (this.#state === 3) return;
    this.#state = 3;
    this.#emit('close', { code, reason, wasClean });
  }

  #emit(type: 'open' | 'message' | 'error' | 'close', fields: object): void {
    const event = new Event(type);
    for (const [name, value] of Object.entries(fields)) Object.defineProperty(event, name, { value, enumerable: true });
    this[`on${type}`]?.(event);
    this.dispatchEvent(event);
  }
}
