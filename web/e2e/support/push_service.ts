/** What a browser's maker runs: takes pushes by HTTP, hands them to the browser by the WebSocket that Firefox opens. */

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { listen } from './ports.js';

interface FromBrowser {
  messageType: 'hello' | 'register' | 'unregister' | 'ack' | 'ping';
  uaid?: string;
  channelID?: string;
}

/** A push service for one test. */
export class PushService {
  readonly port: number;
  /** For Firefox: `dom.push.serverURL`. */
  readonly socketUrl: string;
  /** For Belfry: `web_push.private_hosts`. */
  readonly host: string;
  /** Pushes that were taken, with the headers they came with. */
  readonly taken: IncomingMessage['headers'][] = [];
  readonly #server: Server;
  readonly #channels = new Map<string, WebSocket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    this.host = `127.0.0.1:${port}`;
    this.socketUrl = `ws://${this.host}/`;
  }

  static async start(): Promise<PushService> {
    const server = createServer();
    const service = new PushService(server, await listen(server));
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const [, channel = ''] = /^\/push\/(.+)$/.exec(request.url ?? '') ?? [];
      const taken = service.#deliver(channel, request.headers, Buffer.concat(chunks));
      response.writeHead(taken ? 201 : 410, { location: `/message/${randomUUID()}` }).end();
    });
    const sockets = new WebSocketServer({ server, handleProtocols: () => 'push-notification' });
    sockets.on('connection', (socket) => {
      socket.on('message', (text) => service.#answer(socket, JSON.parse(text.toString()) as FromBrowser));
    });
    return service;
  }

  /** Subscriptions that are in force. */
  get subscriptions(): number {
    return this.#channels.size;
  }

  #deliver(channelID: string, headers: IncomingMessage['headers'], body: Buffer): boolean {
    const socket = this.#channels.get(channelID);
    if (!socket) return false;
    this.taken.push(headers);
    const encoding = headers['content-encoding'];
    const data = body.toString('base64url');
    socket.send(
      JSON.stringify({ messageType: 'notification', channelID, version: randomUUID(), data, headers: { encoding } }),
    );
    return true;
  }

  #answer(socket: WebSocket, { messageType, uaid, channelID = '' }: FromBrowser): void {
    const say = (fields: object): void => socket.send(JSON.stringify({ messageType, status: 200, ...fields }));
    if (messageType === 'hello')
      say({ uaid: uaid || randomUUID().replaceAll('-', ''), use_webpush: true, broadcasts: {} });
    if (messageType === 'register') {
      this.#channels.set(channelID, socket);
      say({ channelID, pushEndpoint: `http://${this.host}/push/${channelID}` });
    }
    if (messageType === 'unregister') {
      this.#channels.delete(channelID);
      say({ channelID });
    }
    if (messageType === 'ping') socket.send('{}');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#channels.values()) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
