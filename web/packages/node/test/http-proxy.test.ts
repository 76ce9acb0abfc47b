import { request } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { createBelfryProxy, type Middleware, proxyToBelfry } from '../src/compat.js';
import { createPublisher } from '../src/index.js';
import { freePort, startApplication } from './support/application.js';
import { startBelfry } from './support/belfry.js';
import { startScripted } from './support/scripted.js';

async function appBefore(options: { url: string; apiKey: string }) {
  const app = await startApplication();
  proxyToBelfry(app.server, options);
  return app;
}

/** Sends a path as it is: `fetch` would resolve it first. */
function rawGet(url: string, path: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, agent: false }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
    });
    asked.on('error', reject);
    asked.end();
  });
}

describe('on the application’s own origin', () => {
  it('a person’s requests reach Belfry, and all others the application', async () => {
    const belfry = await startBelfry();
    const app = await appBefore(belfry);
    const publisher = createPublisher(belfry);
    const { id } = await publisher.publishAlert('ann', { kind: 'note', data: { n: 1 } });
    const headers = { authorization: `Bearer ${belfry.token('ann')}`, 'content-type': 'application/json' };
    const inbox = await fetch(`${app.url}/v1/inbox?limit=1`, { headers });
    expect(await inbox.json()).toMatchObject({ unread: 1, items: [{ id }] });
    const state = await fetch(`${app.url}/v1/inbox/state`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ ids: [id], state: 'read' }),
    });
    expect(await state.json()).toMatchObject({ unread: 0 });
    expect(await (await fetch(`${app.url}/v1x`)).text()).toBe('the application');
    expect(await (await fetch(`${app.url}/deals`)).text()).toBe('the application');
  });

  it('an event stream begins at once, goes on, and ends with its reader', async () => {
    const belfry = await startBelfry();
    const app = await appBefore(belfry);
    const publisher = createPublisher(belfry);
    const abort = new AbortController();
    const stream = await fetch(`${app.url}/v1/events?token=${belfry.token('ann')}`, { signal: abort.signal });
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const readUntil = async (mark: string): Promise<void> => {
      while (!text.includes(mark)) text += (await reader?.read())?.value ?? '';
    };
    await readUntil('connection-established');
    await publisher.publishAlert('ann', { kind: 'note', data: { n: 7 } });
    await readUntil('"n":7');
    expect((await publisher.getConnectionStats()).connections).toBe(1);
    abort.abort();
    await vi.waitUntil(async () => (await publisher.getConnectionStats()).connections === 0, { timeout: 10_000 });
  });

  it('the API key is good for nothing from outside', async () => {
    const belfry = await startBelfry();
    const app = await appBefore(belfry);
    for (const authorization of [`Bearer ${belfry.apiKey}`, `bearer  ${belfry.apiKey}`]) {
      const answer = await fetch(`${app.url}/v1/stats`, { headers: { authorization } });
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({ code: 'forbidden', status: 403 });
    }
    expect((await fetch(`${app.url}/v1/stats`)).status).toBe(401);
  });
});

describe('a request', () => {
  it('arrives with its headers and the way it took, without those of the connection, and without the key', async () => {
    const belfry = await startScripted({
      status: 201,
      body: { made: true },
      headers: { 'x-from': 'belfry', etag: '"1"' },
    });
    const app = await appBefore({ url: `${belfry.url}/belfry`, apiKey: 'bk_secret' });
    const answer = await fetch(`${app.url}/v1/devices/phone?x=1`, {
      method: 'PUT',
      headers: { cookie: 'accessToken=t', 'x-forwarded-for': '203.0.113.9' },
      body: 'the body',
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('etag')).toBe('"1"');
    expect(await answer.json()).toEqual({ made: true });
    const [got] = belfry.got;
    expect(got).toMatchObject({ method: 'PUT', path: '/belfry/v1/devices/phone?x=1', body: 'the body' });
    expect(got?.headers).toMatchObject({
      cookie: 'accessToken=t',
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-host': new URL(app.url).host,
      host: new URL(belfry.url).host,
    });
    expect(JSON.stringify(got)).not.toContain('bk_secret');
  });

  it.each([
    '/v1/../metrics',
    '/v1/%2e%2e/metrics',
    '/v1/..%2fmetrics/../../metrics',
    '//v1/inbox',
    '/V1/inbox',
    '/v1x',
  ])('for %s does not reach Belfry', async (path) => {
    const belfry = await startScripted({ status: 200, body: 'reached' });
    const app = await appBefore({ url: belfry.url, apiKey: 'k' });
    expect((await rawGet(app.url, path)).body).toBe('the application');
    expect(belfry.got).toEqual([]);
  });

  it('is answered 502 with a problem document when Belfry is away', async () => {
    const app = await appBefore({ url: `http://127.0.0.1:${await freePort()}`, apiKey: 'k' });
    const answer = await fetch(`${app.url}/v1/inbox`);
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ code: 'unavailable', status: 502 });
  });

  it('whose answer breaks off breaks off, too', async () => {
    const belfry = await startScripted({ cut: '{"half":' });
    const app = await appBefore({ url: belfry.url, apiKey: 'k' });
    await expect(fetch(`${app.url}/v1/inbox`).then((answer) => answer.text())).rejects.toThrow();
  });
});

describe('an Express application', () => {
  it('gets one middleware, which passes on what is not Belfry’s, and reads the whole path where it is mounted', async () => {
    const used: Middleware[] = [];
    const belfry = await startScripted({ status: 200, body: { reached: true } });
    proxyToBelfry({ use: (middleware: Middleware) => used.push(middleware) }, { url: belfry.url, apiKey: 'k' });
    const [middleware] = used;
    expect(used).toHaveLength(1);
    const app = await startApplication((incoming, response) => {
      Object.assign(incoming, { originalUrl: incoming.url, url: (incoming.url ?? '').replace('/v1', '') });
      middleware?.(incoming, response, () => response.end('next'));
    });
    expect(await (await fetch(`${app.url}/v1/inbox`)).json()).toEqual({ reached: true });
    expect(belfry.got[0]?.path).toBe('/v1/inbox');
    expect(await (await fetch(`${app.url}/other`)).text()).toBe('next');
  });

  it('behind a body parser says what is wrong instead of hanging', async () => {
    const belfry = await startScripted({ status: 200 });
    const middleware = createBelfryProxy({ url: belfry.url, apiKey: 'k' });
    const app = await startApplication(async (incoming, response) => {
      for await (const _ of incoming);
      middleware(incoming, response, () => response.end('next'));
    });
    const answer = await fetch(`${app.url}/v1/acks`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('before body parsers') });
    expect(belfry.got).toEqual([]);
  });
});

it('without an address it is refused at once', () => {
  vi.stubEnv('BELFRY_URL', '');
  expect(() => createBelfryProxy()).toThrow(/BELFRY_URL/);
  vi.unstubAllEnvs();
});
