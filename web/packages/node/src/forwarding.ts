/** What a request keeps on its way through this process to Belfry. */

import type { IncomingMessage } from 'node:http';
import { misconfigured } from './error.js';
import { parseBase } from './transport.js';

/** Where requests are forwarded to. */
export interface Upstream {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
  /** As a `Host` header has it. */
  readonly host: string;
  /** The path prefix Belfry is mounted under; no slash at its end. */
  readonly prefix: string;
}

/** Reads where Belfry is. */
export function upstreamOf(url: string | undefined): Upstream {
  const text = url ?? process.env['BELFRY_URL'];
  if (text === undefined || text === '') throw misconfigured('where is Belfry? Give `url`, or set `BELFRY_URL`');
  const base = parseBase(text);
  const secure = base.protocol === 'https:';
  return {
    secure,
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port === '' ? (secure ? 443 : 80) : Number(base.port),
    host: base.host,
    prefix: base.pathname.replace(/\/$/, ''),
  };
}

/**
 * The headers as they came, in their order and spelling, with the way they took added. `Host` names Belfry, since a
 * TLS front chooses by it; the one that was asked for stays in `X-Forwarded-Host`.
 */
export function forwardedHeaders(request: IncomingMessage, upstream: Upstream, drop: ReadonlySet<string>): string[] {
  const headers = ['Host', upstream.host];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = request.rawHeaders.slice(at, at + 2);
    const key = name.toLowerCase();
    if (key !== 'host' && key !== 'x-forwarded-for' && !drop.has(key)) headers.push(name, value);
  }
  const { 'x-forwarded-for': before, 'x-forwarded-host': host, 'x-forwarded-proto': proto } = request.headers;
  const address = request.socket.remoteAddress ?? 'unknown';
  headers.push('X-Forwarded-For', before === undefined ? address : `${before}, ${address}`);
  if (host === undefined && request.headers.host !== undefined) headers.push('X-Forwarded-Host', request.headers.host);
  if (proto === undefined) headers.push('X-Forwarded-Proto', 'encrypted' in request.socket ? 'https' : 'http');
  return headers;
}

/** Path and query as a server resolves them: `..` leads nowhere. `null`: it is no path. */
export function targetOf(url: string | undefined): { readonly path: string; readonly search: string } | null {
  if (url?.startsWith('/') !== true) return null;
  try {
    const { pathname, search } = new URL(`http://localhost${url}`);
    return { path: pathname, search };
  } catch {
    return null;
  }
}
