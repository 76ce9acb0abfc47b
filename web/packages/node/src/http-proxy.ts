/** Belfry's HTTP paths on an application's own origin: streamed both ways, so event streams work. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, request as overHttp, type Server, type ServerResponse } from 'node:http';
import { request as overHttps } from 'node:https';
import { forwardedHeaders, targetOf, type Upstream, upstreamOf } from './forwarding.js';

/** What is forwarded, and where to. */
export interface ProxyOptions {
  /** Belfry's base URL. Default: `BELFRY_URL`. */
  url?: string;
  /** Whole path prefixes. Default `/v1` and `/sdk`; add `/u` for the unsubscribe links of e-mails, where it is yours to give. */
  paths?: readonly string[];
  /** The API key of this back end; requests that carry it are refused. Default: `BELFRY_API_KEY`. */
  apiKey?: string;
  /** For the beginning of an answer. Default 30,000. */
  timeoutMs?: number;
}

/** A middleware as Express, Connect and Node's own server take it. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** An Express or Connect application. */
export interface MiddlewareHost {
  use(middleware: Middleware): unknown;
}

/** They concern one connection, not the request; Node makes its own. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/**
 * Serves Belfry's paths on the application's own port: pages need one origin, one cookie, no CORS. An Express
 * application takes it before body parsers; a plain server's own listeners get what is not Belfry's.
 */
export function proxyToBelfry(host: Server | MiddlewareHost, options: ProxyOptions = {}): void {
  const middleware = createBelfryProxy(options);
  if ('use' in host) {
    host.use(middleware);
    return;
  }
  const others = host.listeners('request');
  host.removeAllListeners('request');
  host.on('request', (request, response) => {
    middleware(request, response, () => {
      for (const other of others) Reflect.apply(other, host, [request, response]);
    });
  });
}

/** The middleware by itself. */
export function createBelfryProxy(options: ProxyOptions = {}): Middleware {
  const upstream = upstreamOf(options.url);
  const paths = options.paths ?? ['/v1', '/sdk'];
  const apiKey = options.apiKey ?? process.env['BELFRY_API_KEY'];
  const timeoutMs = options.timeoutMs ?? 30_000;
  return (request, response, next) => {
    // Express cuts off the path a middleware is mounted at; the whole one is beside it.
    const { originalUrl } = request as IncomingMessage & { originalUrl?: string };
    const target = targetOf(originalUrl ?? request.url);
    if (target === null || !paths.some((path) => target.path === path || target.path.startsWith(`${path}/`))) {
      next();
    } else if (apiKey !== undefined && carries(request, apiKey)) {
      // The key is the back end's own: whoever sends it from outside has it from where it must not be.
      answer(response, 403, 'forbidden', 'the API key is not for requests from outside');
    } else if (request.readableEnded && request.headers['content-length'] !== '0' && hasBody(request)) {
      answer(response, 500, 'misconfigured', 'the body was read already: proxyToBelfry stands before body parsers');
    } else {
      forward(request, response, `${target.path}${target.search}`, upstream, timeoutMs);
    }
  };
}

function forward(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  upstream: Upstream,
  timeoutMs: number,
): void {
  const asked = (upstream.secure ? overHttps : overHttp)({
    hostname: upstream.hostname,
    port: upstream.port,
    method: request.method,
    path: `${upstream.prefix}${path}`,
    headers: forwardedHeaders(request, upstream, hopByHop),
    timeout: timeoutMs,
  });
  asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
  asked.on('error', () => {
    if (response.headersSent) response.destroy();
    else answer(response, 502, 'unavailable', 'Belfry cannot be reached');
  });
  asked.on('response', (belfry) => {
    asked.setTimeout(0);
    response.writeHead(belfry.statusCode ?? 502, belfry.statusMessage, endToEnd(belfry.rawHeaders));
    // An event stream says nothing for a while; its head must not wait for the first event.
    response.flushHeaders();
    belfry.on('error', () => response.destroy());
    belfry.pipe(response);
  });
  response.once('close', () => asked.destroy());
  request.on('error', () => asked.destroy());
  request.pipe(asked);
}

function endToEnd(rawHeaders: readonly string[]): string[] {
  const headers: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!hopByHop.has(name.toLowerCase())) headers.push(name, value);
  }
  return headers;
}

function carries(request: IncomingMessage, apiKey: string): boolean {
  const given = request.headers.authorization ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given.replace(/^bearer\s+/i, '').trim()), digest(apiKey));
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
}

function answer(response: ServerResponse, status: number, code: string, detail: string): void {
  const body = JSON.stringify({ type: 'about:blank', title: detail, status, detail, code });
  response.writeHead(status, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' });
  response.end(body);
}
