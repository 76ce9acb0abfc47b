/** The shop's own API. Everything about alerts is Belfry's, behind the same origin. */

import { createWebSocketMessage, websocketService } from '@belfry/node/compat';
import express, { type RequestHandler, type Response, type Router } from 'express';
import { dealsFor, type Watched } from './flyers.js';
import { runActiveDealAlerts, startImport } from './jobs.js';
import type { Sessions } from './session.js';
import type { Person, Shop } from './shop.js';

/** Every route below `/api`. */
export function routes(shop: Shop, sessions: Sessions): Router {
  const router = express.Router();
  router.use(express.json({ limit: '64kb' }), sameSite);
  router.use(signIn(shop, sessions));
  router.use(sessions.required, (_request, response, next) => {
    const person = shop.people.get(String(response.locals['user']));
    if (person === undefined) response.status(401).json({ error: 'Sign in first.' });
    else {
      response.locals['person'] = person;
      next();
    }
  });
  router.use(watchList(shop), work(shop));
  return router;
}

/** Another site's page cannot act in a person's name: the cookie is Lax, and this is the second lock. */
const sameSite: RequestHandler = (request, response, next) => {
  const site = request.get('sec-fetch-site') ?? 'same-origin';
  if (request.method === 'GET' || site === 'same-origin') next();
  else response.status(403).json({ error: 'Not from here.' });
};

function signIn(shop: Shop, sessions: Sessions): Router {
  const router = express.Router();
  // An example knows its people and asks for no password.
  router.get('/people', (_request, response) => {
    response.json([...shop.people.values()].map(({ id, name }) => ({ id, name })));
  });
  router.get('/session', async (request, response) => {
    const person = shop.people.get((await sessions.userOf(request)) ?? '');
    response.json(person === undefined ? null : { id: person.id, name: person.name, locale: person.locale });
  });
  router.post('/session', async (request, response) => {
    const person = shop.people.get(textOf(request.body, 'user'));
    if (person === undefined) return void response.status(422).json({ error: 'Nobody has this name.' });
    await sessions.begin(response, person.id);
    response.json({ id: person.id, name: person.name, locale: person.locale });
  });
  router.post('/session/renew', sessions.required, async (_request, response) => {
    await sessions.begin(response, String(response.locals['user']));
    response.status(204).end();
  });
  router.delete('/session', (_request, response) => {
    sessions.end(response);
    response.status(204).end();
  });
  return router;
}

function watchList(shop: Shop): Router {
  const router = express.Router();
  router.get('/watch-list', (_request, response) => {
    response.json(personOf(response).watched);
  });
  router.put('/watch-list', (request, response) => {
    const item = watchedOf(request.body);
    if (item === null) return void response.status(422).json({ error: 'An item has a name and a price.' });
    shop.watch(personOf(response), [item]);
    response.json(personOf(response).watched);
  });
  router.delete('/watch-list/:item', (request, response) => {
    shop.unwatch(personOf(response), request.params.item);
    response.json(personOf(response).watched);
  });
  router.get('/deals', (_request, response) => {
    response.json(dealsFor(personOf(response).watched, shop.current));
  });
  return router;
}

function work(shop: Shop): Router {
  const router = express.Router();
  router.post('/jobs/import', (request, response) => {
    const { id } = startImport(shop, personOf(response), textOf(request.body, 'text').slice(0, 20_000));
    response.status(202).json({ id });
  });
  router.get('/jobs/:id', (request, response) => {
    const job = shop.jobs.get(request.params.id);
    if (job === undefined || job.user !== personOf(response).id) {
      return void response.status(404).json({ error: 'There is no such job.' });
    }
    response.json(job);
  });
  // What a real shop has a scheduler and an office for; here anybody may press the buttons.
  router.post('/office/next-flyer', (_request, response) => {
    const flyer = shop.release();
    response.json({ store: flyer?.store_name ?? null, ...runActiveDealAlerts(shop) });
  });
  router.post('/office/announcements', (request, response) => {
    const message = textOf(request.body, 'message').trim();
    const severity = textOf(request.body, 'severity');
    if (message === '' || message.length > 500) {
      return void response.status(422).json({ error: 'An announcement has one to five hundred characters.' });
    }
    websocketService.broadcastToAll(
      createWebSocketMessage.systemMessage({ message, severity: severity === 'warning' ? 'warning' : 'info' }),
    );
    response.status(202).end();
  });
  router.get('/office/connections', async (_request, response) => {
    const { totalConnections, totalUsers } = await websocketService.getConnectionStats();
    response.json({ connections: totalConnections, people: totalUsers });
  });
  return router;
}

function personOf(response: Response): Person {
  return response.locals['person'] as Person;
}

function textOf(body: unknown, field: string): string {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, field) : null;
  return typeof value === 'string' ? value : '';
}

function watchedOf(body: unknown): Watched | null {
  const item_name = textOf(body, 'item_name').trim();
  const price: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'at_most_in_cents') : null;
  const fits = item_name !== '' && item_name.length <= 200 && Number.isSafeInteger(price) && Number(price) > 0;
  return fits ? { item_name, at_most_in_cents: Number(price) } : null;
}
