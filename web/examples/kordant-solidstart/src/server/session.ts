/** Who is signed in: one HttpOnly cookie, whose token Belfry reads as well. */

import 'server-only';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Person, personOf } from '../family';
import { sessionSecret } from './environment';

/** Belfry looks for it under this name, see `auth.cookie_names`. */
const COOKIE = 'accessToken';
const LIFETIME_S = 3_600;

/** A cookie for this person; `null`: one that signs out. */
export function sessionCookie(person: Person | null, request: Request): string {
  const secure = new URL(request.url).protocol === 'https:' ? '; Secure' : '';
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure}`;
  if (person === null) return `${COOKIE}=; ${attributes}; Max-Age=0`;
  return `${COOKIE}=${sign(person)}; ${attributes}; Max-Age=${LIFETIME_S}`;
}

/** The token of a request, as it came. */
export function tokenOf(request: Request): string | null {
  const pairs = (request.headers.get('cookie') ?? '').split(/;\s*/);
  const found = pairs.find((pair) => pair.startsWith(`${COOKIE}=`));
  return found?.slice(COOKIE.length + 1) ?? null;
}

/** Who sent this request; `null`: nobody who is signed in. */
export function viewerOf(request: Request): Person | null {
  const [head = '', body = '', signature = ''] = (tokenOf(request) ?? '').split('.');
  const wanted = Buffer.from(mac(`${head}.${body}`));
  const given = Buffer.from(signature);
  if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return null;
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { sub: string; exp: number };
  return claims.exp * 1_000 > Date.now() ? (personOf(claims.sub) ?? null) : null;
}

/** Changing requests come from a page of our own: another site's form has another origin. */
export function isOurs(request: Request): boolean {
  const origin = request.headers.get('origin');
  return origin !== null && new URL(origin).host === (request.headers.get('host') ?? new URL(request.url).host);
}

function sign(person: Person): string {
  const now = Math.floor(Date.now() / 1_000);
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: person.id, iat: now, exp: now + LIFETIME_S })}`;
  return `${text}.${mac(text)}`;
}

function mac(text: string): string {
  return createHmac('sha256', sessionSecret()).update(text).digest('base64url');
}
