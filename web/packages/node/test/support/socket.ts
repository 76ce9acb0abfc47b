/** A WebSocket client as small as a test needs it, over a plain connection, so that every byte is the test's own. */

import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Frame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface RawSocket {
  /** Status line and headers of the answer to the upgrade. */
  readonly head: string;
  /** The next text frame. */
  frame(): Promise<Frame>;
  /** Everything that came behind a head that was no upgrade, until the other side closed. */
  rest(): Promise<string>;
  send(text: string): void;
  /** Bytes as they are. */
  write(bytes: string): void;
  /** Resolves when the other side is gone. */
  closed(): Promise<void>;
}

/** Asks for an upgrade at this path; resolves with the answer, whatever it is. */
export async function openSocket(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawSocket> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  const key = randomBytes(16).toString('base64');
  const lines = { Host: host, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', ...headers };
  const text = Object.entries({ ...lines, 'Sec-WebSocket-Key': key }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET ${path} HTTP/1.1\r\n${text.join('\r\n')}\r\n\r\n`);
  const reader = new Reader(socket);
  const head = (await reader.until('\r\n\r\n')).toString();
  const wanted = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  if (head.startsWith('HTTP/1.1 101') && !head.includes(wanted)) throw new Error('the answer is to another key');
  return {
    head,
    frame: async () => JSON.parse((await reader.text()).toString()),
    rest: async () => (await reader.all()).toString(),
    send: (message) => socket.write(masked(message)),
    write: (bytes) => socket.write(bytes),
    closed: () => reader.closed,
  };
}

/** One masked text frame. */
function masked(text: string): Buffer {
  const body = Buffer.from(text);
  if (body.length > 125) throw new Error('a test sends short frames');
  const mask = randomBytes(4);
  return Buffer.concat([
    Buffer.from([0x81, 0x80 | body.length]),
    mask,
    body.map((byte, at) => byte ^ (mask[at % 4] ?? 0)),
  ]);
}

class Reader {
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};
  readonly closed: Promise<void>;

  constructor(socket: Socket) {
    socket.on('data', (piece) => {
      this.#buffer = Buffer.concat([this.#buffer, piece as Buffer]);
      this.#wake();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended = true;
        this.#wake();
        resolve();
      });
    });
  }

  async until(mark: string): Promise<Buffer> {
    await this.#have(() => this.#buffer.includes(mark));
    return this.#take(this.#buffer.indexOf(mark) + mark.length);
  }

  async all(): Promise<Buffer> {
    await this.closed;
    return this.#take(this.#buffer.length);
  }

  /** The next text frame; control frames are passed over. */
  async text(): Promise<Buffer> {
    for (;;) {
      const [first = 0, second = 0] = await this.#bytes(2);
      const length = second < 126 ? second : (await this.#bytes(2)).readUInt16BE();
      const body = await this.#bytes(length);
      if ((first & 0x0f) === 1) return body;
      if ((first & 0x0f) === 8) throw new Error(`closed with ${body.readUInt16BE()}`);
    }
  }

  async #bytes(length: number): Promise<Buffer> {
    await this.#have(() => this.#buffer.length >= length);
    return this.#take(length);
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #have(enough: () => boolean): Promise<void> {
    while (!enough()) {
      if (this.#ended) throw new Error('the connection ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
