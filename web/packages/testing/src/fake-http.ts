/** A person's HTTP requests to a fake server. */

import type {
  AckBody,
  DoNotDisturb,
  ErrorCode,
  InboxStateAnswer,
  InboxStateBody,
  Preferences,
  Problem,
} from '@belfry/protocol';
import { errorCodes } from '@belfry/protocol';
import type { FakeHouse } from './fake-house.js';
import { inRange, type Row } from './fake-inbox.js';

/** One request, with its body read. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** Whose credential it carries; `null`: nobody's. */
  readonly user: string | null;
}

/** A problem document with the status its code has. */
export function problem(code: ErrorCode, detail: string = errorCodes[code].cause): Response {
  const { status, title } = errorCodes[code];
  const body: Problem = { type: `/docs/errors/${code}`, title, status, detail, code };
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } });
}

/** The answer to a request of a person. `renew`: what a connection's fresh token leads to. */
export function answer(house: FakeHouse, request: FakeRequest, renew: (id: string) => boolean): Response {
  const { method, path, user } = request;
  if (user === null) return problem('unauthorized');
  const connection = /^\/v1\/connections\/([^/]+)\/authenticate$/.exec(path)?.[1];
  if (connection !== undefined && method === 'POST') {
    return renew(connection) ? json({ token_expires_at: null }) : problem('connection-unknown');
  }
  const device = /^\/v1\/devices\/([^/]+)$/.exec(path)?.[1];
  if (device !== undefined) return onDevice(house, request, user, decodeURIComponent(device));
  const route = routes[`${method} ${path}`];
  return route === undefined ? problem('not-found') : route(house, user, request);
}

type Route = (house: FakeHouse, user: string, request: FakeRequest) => Response;

const routes: Readonly<Record<string, Route>> = {
  'GET /v1/inbox': (house, user, { query }) => json(house.person(user).inbox.page(query)),
  'GET /v1/inbox/unread-count': (house, user) => json({ unread: house.person(user).inbox.unread }),
  'POST /v1/inbox/state': (house, user, { body }) => {
    const { state, ids, up_to: upTo } = body as InboxStateBody;
    house.change(user, ids ? { ids } : upTo ? { up_to: upTo } : {}, state);
    const { inbox } = house.person(user);
    const changed: InboxStateAnswer = { unread: inbox.unread, seq: inbox.heads.user };
    return json(changed);
  },
  'POST /v1/acks': (house, user, { body }) => {
    const { inbox } = house.person(user);
    const { ids, stream, after, up_to: upTo, level } = body as AckBody;
    const rows = ids
      ? ids.map((id) => inbox.find(id)).filter((row): row is Row => row !== undefined)
      : inRange(inbox.rows, stream ?? 'user', after ?? 0, upTo ?? 0);
    for (const row of rows) inbox.raise(row, level);
    return new Response(null, { status: 204 });
  },
  'GET /v1/do-not-disturb': (house, user) => json(house.person(user).doNotDisturb),
  'PUT /v1/do-not-disturb': (house, user, { body }) => {
    house.setDoNotDisturb(user, body as DoNotDisturb);
    return json(house.person(user).doNotDisturb);
  },
  'GET /v1/preferences': (house, user) => json(house.person(user).preferences),
  'PUT /v1/preferences': (house, user, { body }) => {
    house.setPreferences(user, body as Preferences);
    return json(house.person(user).preferences);
  },
  'GET /v1/devices': (house, user) => json({ devices: [...house.person(user).devices.values()] }),
  // The public key of RFC 8291's example: any point of the curve will do where nothing is encrypted.
  'GET /v1/web-push/key': () => json({ key: vapidKey, id: 'fake' }),
};

const vapidKey = 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4';

function onDevice(house: FakeHouse, request: FakeRequest, user: string, id: string): Response {
  const { devices } = house.person(user);
  if (request.method === 'DELETE') {
    return devices.delete(id) ? new Response(null, { status: 204 }) : problem('device-unknown');
  }
  if (request.method !== 'PUT') return problem('method-not-allowed');
  const { provider, locale, time_zone, app_version } = request.body as Record<string, unknown>;
  const device = {
    id,
    provider,
    address: '…',
    locale: locale ?? null,
    time_zone: time_zone ?? null,
    app_version: app_version ?? null,
    registered_at: house.timestamp(),
    accepted_at: null,
    failure: null,
  };
  devices.set(id, device);
  return json(device);
}

function json(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
}
