/** Who is signed in: a JWT in a cookie that no script can read. Belfry verifies the same token with the same secret. */

import type { CookieOptions, Request, RequestHandler, Response } from 'express';
import { jwtVerify, SignJWT } from 'jose';

const COOKIE = 'accessToken';
const MINUTES = 15;

/** Signs people in and out. */
export class Sessions {
  readonly #secret: Uint8Array;
  readonly #cookie: CookieOptions;

  constructor(secret: string, secure: boolean) {
    this.#secret = new TextEncoder().encode(secret);
    this.#cookie = { httpOnly: true, sameSite: 'lax', secure, path: '/' };
  }

  /** Also renews: the cookie lives as long as its token. */
  async begin(response: Response, user: string): Promise<void> {
    const token = await new SignJWT({ sub: user })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuedAt()
      .setExpirationTime(`${MINUTES}m`)
      .sign(this.#secret);
    response.cookie(COOKIE, token, { ...this.#cookie, maxAge: MINUTES * 60_000 });
  }

  end(response: Response): void {
    response.clearCookie(COOKIE, this.#cookie);
  }

  /** Who sent this request; `null`: nobody we know. */
  async userOf(request: Request): Promise<string | null> {
    const cookies = new Map((request.headers.cookie ?? '').split('; ').map((pair) => splitOnce(pair, '=')));
    try {
      const { payload } = await jwtVerify(cookies.get(COOKIE) ?? '', this.#secret, { algorithms: ['HS256'] });
      return payload.sub ?? null;
    } catch {
      return null;
    }
  }

  /** Lets only those pass who are signed in; their id is in `response.locals`. */
  readonly required: RequestHandler = async (request, response, next) => {
    const user = await this.userOf(request);
    if (user === null) {
      response.status(401).json({ error: 'Sign in first.' });
      return;
    }
    response.locals['user'] = user;
    next();
  };
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)];
}
