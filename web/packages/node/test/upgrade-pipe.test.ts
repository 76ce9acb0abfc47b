import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type CompatOptions, createCompat, websocketService } from '../src/compat.js';
import { freePort, startApplication } from './support/application.js';
import { type BelfryServer, startBelfry } from './support/belfry.js';
import { openSocket } from './support/socket.js';
import { untrusted } from './support/untrusted.js';

/** Vitest sets `NODE_ENV=test`, where all of this does nothing. */
const awake: CompatOptions = { env: { NODE_ENV: 'production' }, log: () => {} };

async function appBefore(belfry: Pick<BelfryServer, 'url' | 'apiKey'>, more: { connectionsMax?: number } = {}) {
  const app = await startApplication();
  const { websocketService: service } = createCompat(awake);
  service.initialize(app.server, { url: belfry.url, apiKey: belfry.apiKey, ...more });
  return { ...app, service };
}

/** Where Belfry would be, a server that keeps what it is asked and answers with this. */
async function startListening(answer: string) {
  let asked = '';
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      asked += piece.toString();
      if (asked.includes('\r\n\r\n') && answer !== '') socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

describe('a socket on the application’s own port', () => {
  it('is Belfry’s, with a token in the address', async () => {
    const belfry = await startBelfry();
    const { url, service } = await appBefore(belfry);
    for (const path of ['/ws', '/ws/alerts']) {
      const socket = await openSocket(url, `${path}?token=${belfry.token('ann')}`);
      expect(await socket.frame()).toMatchObject({ type: 'connection-established', data: { user_id: 'ann' } });
      socket.send('{"type":"ping","data":7}');
      expect(await socket.frame()).toMatchObject({ type: 'pong', data: 7 });
    }
    service.broadcastToUser('bob', { type: 'note', data: {}, timestamp: '' });
    expect((await service.getConnectionStats()).totalUsers).toBe(1);
  });

  it('carries cookie, origin and subprotocol, and gets what is broadcast', async () => {
    const belfry = await startBelfry();
    const { url, service } = await appBefore(belfry);
    const socket = await openSocket(url, '/ws', {
      Cookie: `theme=dark; accessToken=${belfry.token('ann')}`,
      Origin: 'http://localhost:5173',
      'Sec-WebSocket-Protocol': 'belfry.v1',
    });
    expect(socket.head).toMatch(/sec-websocket-protocol: belfry\.v1/i);
    expect(await socket.frame()).toMatchObject({ data: { user_id: 'ann' } });
    socket.send('{"type":"resume","data":{"cursor":null}}');
    const deal = { item_name: 'Oat milk', best_price_in_cents: 149, store_name: 'Corner Market', store_id: 12 };
    service.broadcastDealNotification('bob', { deals: [deal], user_id: 'bob', message: 'not for ann' });
    service.broadcastDealNotification('ann', { deals: [deal], user_id: 'ann', message: 'for ann' });
    let frame = await socket.frame();
    while (frame.type !== 'deal-notification') frame = await socket.frame();
    expect(frame.data).toEqual({ deals: [deal], user_id: 'ann', message: 'for ann' });
  });

  it('from a page of another origin is refused, as without a proxy', async () => {
    const belfry = await startBelfry();
    const { url } = await appBefore(belfry);
    const socket = await openSocket(url, '/ws', {
      Cookie: `accessToken=${belfry.token('ann')}`,
      Origin: 'https://evil.example',
    });
    expect(socket.head).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('is asked for with every header as it came, and the way it took', async () => {
    const belfry = await startListening('');
    const { url } = await appBefore({ url: `${belfry.url}/belfry/`, apiKey: 'bk_secret' });
    void openSocket(url, '/ws?token=t', {
      'X-Forwarded-For': '203.0.113.9',
      'X-Odd-Header': 'a  b',
      Cookie: 'a=1',
    }).catch(() => {});
    await vi.waitUntil(() => belfry.asked().includes('\r\n\r\n'), { timeout: 5_000 });
    const lines = belfry.asked().split('\r\n');
    expect(lines[0]).toBe('GET /belfry/ws?token=t HTTP/1.1');
    expect(lines).toContain(`Host: ${new URL(belfry.url).host}`);
    expect(lines).toContain(`X-Forwarded-Host: ${new URL(url).host}`);
    expect(lines).toContain('X-Forwarded-For: 203.0.113.9, 127.0.0.1');
    expect(lines).toContain('X-Forwarded-Proto: http');
    expect(lines).toContain('X-Odd-Header: a  b');
    expect(lines).toContain('Cookie: a=1');
    expect(lines).toContain('Upgrade: websocket');
    expect(belfry.asked()).not.toContain('bk_secret');
  });

  it('ends on both sides when one of them ends', async () => {
    const belfry = await startBelfry();
    const { url, service } = await appBefore(belfry);
    const socket = await openSocket(url, `/ws?token=${belfry.token('ann')}`);
    await socket.frame();
    await belfry.stop();
    await socket.closed();
    await belfry.start();
    const again = await openSocket(url, `/ws?token=${belfry.token('ann')}`);
    await again.frame();
    await service.shutdown();
    await again.closed();
    await vi.waitUntil(async () => (await service.getConnectionStats()).totalConnections === 0, { timeout: 5_000 });
  });
});

describe('a refusal', () => {
  it('of Belfry is passed on, and what the client sends behind it reaches nobody', async () => {
    const belfry = await startListening('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nX-Why: token\r\n\r\nno');
    const { url } = await appBefore({ url: belfry.url, apiKey: 'k' });
    const socket = await openSocket(url, '/ws');
    expect(socket.head).toMatch(/^HTTP\/1\.1 401 /);
    expect(socket.head).toContain('X-Why: token');
    expect(socket.head).toMatch(/connection: close/i);
    socket.write('GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await socket.rest()).toBe('no');
    expect(belfry.asked()).not.toContain('/metrics');
  });

  it('says 502 when Belfry is away', async () => {
    const { url } = await appBefore({ url: `http://127.0.0.1:${await freePort()}`, apiKey: 'k' });
    const socket = await openSocket(url, '/ws');
    expect(socket.head).toMatch(/^HTTP\/1\.1 502 Bad Gateway/);
    await socket.closed();
  });

  it('says 503 above the limit, and takes the next one when another has gone', async () => {
    const belfry = await startBelfry();
    const { url } = await appBefore(belfry, { connectionsMax: 1 });
    const path = `/ws?token=${belfry.token('ann')}`;
    const first = await openSocket(url, path);
    await first.frame();
    expect((await openSocket(url, path)).head).toMatch(/^HTTP\/1\.1 503 /);
    first.write('\x88\x80\x00\x00\x00\x00');
    await first.closed();
    await vi.waitUntil(async () => (await openSocket(url, path)).head.startsWith('HTTP/1.1 101'), { timeout: 5_000 });
  });
});

describe('other paths', () => {
  it('belong to the application’s own listener', async () => {
    const { server, url } = await appBefore({ url: 'http://127.0.0.1:9', apiKey: 'k' });
    server.on('upgrade', (request, socket) => {
      if (request.url === '/hmr') socket.end('HTTP/1.1 200 Mine\r\nConnection: close\r\n\r\n');
    });
    expect((await openSocket(url, '/hmr')).head).toContain('200 Mine');
  });

  it.each(['/hmr', '/ws/other', '/wsx', '/ws/'])('%s is answered 404 where nobody else listens', async (path) => {
    const { url } = await appBefore({ url: 'http://127.0.0.1:9', apiKey: 'k' });
    expect((await openSocket(url, path)).head).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('over plain HTTP are the application’s', async () => {
    const { url } = await appBefore({ url: 'http://127.0.0.1:9', apiKey: 'k' });
    expect(await (await fetch(`${url}/`)).text()).toBe('the application');
  });
});

describe('TLS', () => {
  async function startSecure() {
    const server = createTlsServer(untrusted);
    server.on('upgrade', (_, socket) =>
      socket.end('HTTP/1.1 101 Secure\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `https://localhost:${(server.address() as AddressInfo).port}`;
  }

  it('is spoken to an https address', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const { url } = await appBefore({ url: await startSecure(), apiKey: 'k' });
    await expect(openSocket(url, '/ws')).rejects.toThrow('another key');
    vi.unstubAllEnvs();
  });

  it('to somebody nobody vouches for is not spoken', async () => {
    const { url } = await appBefore({ url: await startSecure(), apiKey: 'k' });
    expect((await openSocket(url, '/ws')).head).toMatch(/^HTTP\/1\.1 502 /);
  });
});

it('with NODE_ENV=test nothing is touched', async () => {
  const { server } = await startApplication();
  websocketService.initialize(server, { url: 'http://127.0.0.1:9' });
  expect(server.listenerCount('upgrade')).toBe(0);
  websocketService.broadcastToAll({ type: 'note', data: {}, timestamp: '' });
  expect(await websocketService.getConnectionStats()).toEqual({ totalConnections: 0, totalUsers: 0, stats: null });
  await websocketService.shutdown();
});

it('an address that is none is told once, and throws nothing', async () => {
  const said: string[] = [];
  const { server } = await startApplication();
  const { websocketService: service } = createCompat({ ...awake, env: {}, log: (message) => said.push(message) });
  service.initialize(server);
  service.broadcastToAll({ type: 'note', data: {}, timestamp: '' });
  service.broadcastToAll({ type: 'note', data: {}, timestamp: '' });
  expect(server.listenerCount('upgrade')).toBe(0);
  expect(said).toEqual([expect.stringContaining('BELFRY_URL'), expect.stringContaining('BELFRY_URL')]);
});
