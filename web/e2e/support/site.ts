/**
 * An application: it signs people in with a cookie, serves pages, and passes `/ws`, `/v1` and `/sdk` on to Belfry, as a
 * reverse proxy would.
 */

import { readFile } from 'node:fs/promises';
import { createServer, request as dialHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Belfry } from './belfry.js';
import { listen } from './ports.js';

const PASSED_ON = /^\/(ws|v1|sdk|u)(\/|\?|$)/;

export interface SiteOptions {
  /** The header `Content-Security-Policy` of every page. */
  csp?: string;
  /** How long tokens live. */
  tokenSeconds?: number;
}

/** One application's web server. */
export class Site {
  readonly port: number;
  readonly url: string;
  /** Upgrades that were passed on so far, and those that are open. */
  upgrades = 0;
  readonly sockets = new Set<Socket>();
  /** Tokens that pages asked for, with the reason they gave. */
  readonly tokens: string[] = [];
  /** As some networks do: WebSockets are refused, everything else passes. */
  upgradesBlocked = false;
  /** Paths of what a deploy took away. */
  gone: RegExp | null = null;
  /** What `/token` answers with instead of a fresh token, for each reason. */
  stale: (reason: string) => string | null = () => null;
  readonly #server: Server;
  readonly #options: SiteOptions;
  #belfry: Belfry | null = null;

  private constructor(server: Server, port: number, options: SiteOptions) {
    this.#server = server;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#options = options;
  }

  static async start(options: SiteOptions = {}): Promise<Site> {
    const server = createServer();
    const site = new Site(server, await listen(server), options);
    server.on('request', (request, response) => {
      site.#serve(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500);
        response.end(String(error));
      });
    });
    server.on('upgrade', (request, socket, head) => site.#upgrade(request, socket as Socket, head));
    return site;
  }

  /** Whose back end this is. */
  serve(belfry: Belfry): this {
    this.#belfry = belfry;
    return this;
  }

  /** Signs somebody in and leads to the page. */
  signIn(user: string, page: string, base: string = this.url): string {
    return `${base}/sign-in?user=${encodeURIComponent(user)}&to=${encodeURIComponent(page)}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (this.gone?.test(url.pathname)) return void response.writeHead(404).end();
    if (PASSED_ON.test(url.pathname)) return this.#pass(request, response);
    const belfry = this.#running();
    const user = /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
    if (url.pathname === '/sign-in') {
      const who = url.searchParams.get('user') ?? 'ann';
      const token = belfry.token(who, this.#options.tokenSeconds);
      const cookies = [`session=${who}; Path=/`, `accessToken=${token}; Path=/; HttpOnly; SameSite=Lax`];
      response.writeHead(302, { location: url.searchParams.get('to') ?? '/', 'set-cookie': cookies }).end();
    } else if (url.pathname === '/sign-out') {
      const cookies = ['session=; Path=/; Max-Age=0', 'accessToken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax'];
      response.writeHead(204, { 'set-cookie': cookies }).end();
    } else if (url.pathname === '/token') {
      const reason = url.searchParams.get('reason') ?? '';
      this.tokens.push(reason);
      if (user) response.end(this.stale(reason) ?? belfry.token(user, this.#options.tokenSeconds));
      else response.writeHead(401).end();
    } else if (url.pathname === '/page.css') {
      response
        .writeHead(200, { 'content-type': 'text/css' })
        .end(':root{color-scheme:light dark;background:Canvas;color:CanvasText}');
    } else if (url.pathname.startsWith('/assets/')) {
      await this.#asset(url.pathname, response);
    } else {
      const csp = this.#options.csp ? { 'content-security-policy': this.#options.csp } : {};
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...csp }).end(page(url.pathname.slice(1)));
    }
  }

  async #asset(path: string, response: ServerResponse): Promise<void> {
    const file = await readFile(join(inject('pages'), path.slice('/assets/'.length))).catch(() => null);
    if (!file) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8' }).end(file);
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { port } = this.#running();
    const { method, url: path, headers } = request;
    const onward = dialHttp({ host: '127.0.0.1', port, ...(method ? { method } : {}), path: path ?? '/', headers });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on('error', () => {
      if (!response.headersSent) response.writeHead(502);
      response.destroy();
    });
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  #upgrade(request: IncomingMessage, near: Socket, head: Buffer): void {
    near.on('error', () => {});
    if (this.upgradesBlocked) {
      near.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const far = dial(this.#running().port, '127.0.0.1', () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      const { rawHeaders } = request;
      for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
      far.write(`${lines.join('\r\n')}\r\n\r\n`);
      far.write(head);
      this.upgrades += 1;
      this.sockets.add(near);
      near.pipe(far).pipe(near);
    });
    far.on('error', () => near.destroy());
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      socket.on('close', () => {
        this.sockets.delete(near);
        other.destroy();
      });
    }
  }

  #running(): Belfry {
    if (!this.#belfry) throw new Error('the site has no back end yet');
    return this.#belfry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function page(name: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"></head>
<body><header></header><main><h1>Shop</h1></main><script type="module" src="/assets/${name}.js"></script></body>
</html>`;
}
