import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest';

type Compat = typeof import('@belfry/client/compat');

let compat: Compat;
let warn: MockInstance<typeof console.warn>;

beforeEach(async () => {
  vi.resetModules();
  warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  compat = await import('@belfry/client/compat');
});
afterEach(() => vi.unstubAllEnvs());

test('a first delay becomes waits that double up to thirty seconds', () => {
  expect(compat.clientOptions({ reconnectDelay: 1_000 }).backoff).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  expect(compat.clientOptions({ reconnectDelay: 30_000 }).backoff).toEqual([30_000]);
  expect(compat.clientOptions({ reconnectDelay: 45_000 }).backoff).toEqual([30_000]);
  expect(compat.clientOptions({ reconnectDelay: 0.5 }).backoff?.at(-1)).toBe(30_000);
  expect(compat.clientOptions({ reconnectDelay: 0 })).toEqual({});
});

test('attempts get the client’s name, and its own options pass', () => {
  const options = { url: '/app', maxReconnectAttempts: 5, autoConnect: false };
  expect(compat.clientOptions(options)).toEqual({ url: '/app', maxAttempts: 5 });
  expect(compat.clientOptions({})).toEqual({});
});

test('there is one default client, and what was configured before it counts', () => {
  compat.configureBelfry({ user: 'ann' });
  compat.configureBelfry({ keep: 50 });
  const client = compat.defaultClient();
  expect(client.user.get()).toBe('ann');
  expect(compat.defaultClient()).toBe(client);
  expect(warn).not.toHaveBeenCalled();
});

test('options that come too late are named, those in force are not', () => {
  compat.configureBelfry({ user: 'ann', backoff: [1_000] });
  compat.defaultClient();
  compat.configureBelfry({ backoff: [1_000], navigate: () => {} });
  compat.configureBelfry({});
  expect(warn).not.toHaveBeenCalled();
  compat.configureBelfry({ user: 'bob', backoff: [500] });
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]?.[0]).toContain('user, backoff came too late');
  expect(compat.defaultClient().user.get()).toBe('ann');
});

test('a production build says nothing', () => {
  vi.stubEnv('NODE_ENV', 'production');
  compat.defaultClient();
  compat.configureBelfry({ user: 'bob' });
  expect(warn).not.toHaveBeenCalled();
});
