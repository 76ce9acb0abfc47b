/** Sockets on an application's own port that are Belfry's: their upgrades are asked for there, then bytes are piped. */

import { type IncomingMessage, request as overHttp, type Server } from 'node:http';
import { request as overHttps } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { forwardedHeaders, targetOf, type Upstream } from './forwarding.js';

/** What the pipe needs. */
export interface UpgradePipeOptions {
  readonly upstream: Upstream;
  readonly paths: readonly string[];
  /** Most sockets at once; the next one is answered 503. */
  readonly connectionsMax: number;
  /** For the answer to an upgrade; then 502. */
  readonly timeoutMs: number;
}

/** A running pipe. */
export interface UpgradePipe {
  readonly connections: number;
  /** Takes no more, and ends those that are open: their clients come back and resume. */
  close(): void;
}

const nothing: ReadonlySet<string> = new Set();

/** Pipes upgrades of these paths. Others are left to whoever listens for them. */
export function pipeUpgrades(server: Server, options: UpgradePipeOptions): UpgradePipe {
  const open = new Set<Duplex>();
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const target = targetOf(request.url);
    if (target === null || !options.paths.includes(target.path)) {
      // With a listener Node leaves the socket to it: where nobody else is there it would hang for ever.
      if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found', 'there is no socket at this path');
      return;
    }
    if (open.size >= options.connectionsMax) {
      refuse(socket, '503 Service Unavailable', 'too many sockets');
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    pipe(request, socket, head, `${target.path}${target.search}`, options);
  };
  server.on('upgrade', onUpgrade);
  return {
    get connections() {
      return open.size;
    },
    close() {
      server.off('upgrade', onUpgrade);
      for (const socket of open) (socket as Socket).destroySoon();
    },
  };
}

function pipe(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  path: string,
  { upstream, timeoutMs }: UpgradePipeOptions,
): void {
  const asked = (upstream.secure ? overHttps : overHttp)({
    hostname: upstream.hostname,
    port: upstream.port,
    path: `${upstream.prefix}${path}`,
    headers: forwardedHeaders(request, upstream, nothing),
    agent: false,
    timeout: timeoutMs,
  });
  socket.on('error', () => asked.destroy());
  socket.once('close', () => asked.destroy());
  let answered = false;
  asked.on('error', () => {
    if (answered) socket.destroy();
    else refuse(socket, '502 Bad Gateway', 'Belfry cannot be reached');
  });
  asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
  asked.on('upgrade', (answer, belfry, first) => {
    answered = true;
    socket.write(headOf(answer));
    join(socket as Socket, belfry as Socket, head, first);
  });
  // Belfry refused: its answer is passed on, and then it is over. What the client sends next is no longer for Belfry.
  asked.on('response', (answer) => {
    answered = true;
    socket.write(headOf(answer, ['Connection', 'close']));
    answer.on('error', () => socket.destroy());
    answer.pipe(socket);
  });
  asked.end();
}

/** From here on only bytes go to and fro. */
function join(client: Socket, belfry: Socket, fromClient: Buffer, fromBelfry: Buffer): void {
  for (const [one, other] of [
    [client, belfry],
    [belfry, client],
  ] as const) {
    one.setTimeout(0);
    one.setNoDelay(true);
    one.setKeepAlive(true, 30_000);
    one.on('error', () => other.destroy());
    one.once('close', () => other.destroySoon());
  }
  if (fromBelfry.length > 0) client.write(fromBelfry);
  if (fromClient.length > 0) belfry.write(fromClient);
  client.pipe(belfry);
  belfry.pipe(client);
}

/** Status line and headers as Belfry sent them; hop-by-hop ones only where it is an upgrade. */
function headOf(answer: IncomingMessage, instead?: readonly [string, string]): string {
  const lines = [`HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}`];
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = answer.rawHeaders.slice(at, at + 2);
    const hop = ['connection', 'keep-alive', 'transfer-encoding'].includes(name.toLowerCase());
    if (instead === undefined || !hop) lines.push(`${name}: ${value}`);
  }
  if (instead !== undefined) lines.push(instead.join(': '));
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function refuse(socket: Duplex, status: string, why: string): void {
  socket.on('error', () => socket.destroy());
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const head = ['Content-Type: text/plain', `Content-Length: ${why.length}`, 'Connection: close'];
  socket.end([`HTTP/1.1 ${status}`, ...head, '', why].join('\r\n'), () => socket.destroy());
}
