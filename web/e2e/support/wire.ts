/** A cable that can be cut, or lie there dead while both ends think that it is well. */

import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { listen } from './ports.js';

/** Forwards connections to one port. */
export class Wire {
  readonly port: number;
  readonly url: string;
  /** Connections that were ever accepted. */
  accepted = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** Connections that nothing passes on any more, while new ones are well. */
  readonly #stranded = new WeakSet<Socket>();
  #stalled = false;
  #down = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async to(target: () => number): Promise<Wire> {
    const server = createServer();
    const wire = new Wire(server, await listen(server));
    server.on('connection', (near) => wire.#join(near, target()));
    return wire;
  }

  #join(near: Socket, port: number): void {
    this.accepted += 1;
    if (this.#down) {
      near.resetAndDestroy();
      return;
    }
    const far = dial(port, '127.0.0.1');
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      // What arrives on a dead cable is lost, and nobody is told.
      from.on('data', (chunk) => {
        if (!this.#isDead(near) && !to.write(chunk)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('error', () => {});
      from.on('end', () => {
        if (!this.#isDead(near)) to.end();
      });
      from.on('close', () => {
        this.#pairs.delete(pair);
        if (!this.#isDead(near)) to.destroy();
      });
    }
  }

  #isDead(near: Socket): boolean {
    return this.#stalled || this.#stranded.has(near);
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** From now on nothing passes, in either direction, and no connection ends. */
  stall(): void {
    this.#stalled = true;
  }

  /** As after a change of network: what is open now is dead and does not know it, what comes is well. */
  strand(): void {
    for (const [near] of this.#pairs) this.#stranded.add(near);
  }

  /** Bytes pass again. Those of old connections have a hole, so they end, as they do behind a router that forgot them. */
  heal(): void {
    this.#stalled = false;
    this.#down = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Ends every connection and accepts no new one until `heal`. */
  cut(): void {
    this.#down = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
