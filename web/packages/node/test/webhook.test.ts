import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BelfryError, verifyWebhook, type WebhookEvent } from '../src/index.js';
import { startBelfry } from './support/belfry.js';

const secret = `whsec_${Buffer.from('a key of our own, 24 byte').toString('base64')}`;
const at = 1_800_000_000;
const now = (): number => at * 1_000;
const body = '{"type":"alert.sent","timestamp":"2027-01-15T08:00:00Z","data":{"user":"ann"}}';

function signed(text: string = body, key: string = secret): Record<string, string> {
  const mac = createHmac('sha256', Buffer.from(key.slice(6), 'base64'))
    .update(`msg_1.${at}.${text}`)
    .digest('base64');
  return { 'webhook-id': 'msg_1', 'webhook-timestamp': String(at), 'webhook-signature': `v1,${mac}` };
}

describe('a webhook', () => {
  it('that was signed with the secret says what it says, with the id of the post', () => {
    const wanted = { id: 'msg_1', type: 'alert.sent', timestamp: '2027-01-15T08:00:00Z', data: { user: 'ann' } };
    expect(verifyWebhook(signed(), body, secret, { now })).toEqual(wanted);
    expect(verifyWebhook(new Headers(signed()), Buffer.from(body), secret, { now })).toEqual(wanted);
    const upper = Object.fromEntries(Object.entries(signed()).map(([name, value]) => [name.toUpperCase(), [value]]));
    expect(verifyWebhook(upper, body, secret, { now })).toEqual(wanted);
  });

  it('is the one of the Standard Webhooks reference', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const options = { now: () => 1_614_265_330_000 };
    const known = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    expect(verifyWebhook(headers, '{"test": 2432232314}', known, options)).toMatchObject({ test: 2_432_232_314 });
  });

  it('fits one of several signatures and one of several secrets', () => {
    const two = signed();
    two['webhook-signature'] = `v1,AAAA v2,other ${two['webhook-signature']}`;
    const other = `whsec_${Buffer.from('the next one, 24 bytes ..').toString('base64')}`;
    expect(verifyWebhook(two, body, [other, secret], { now }).id).toBe('msg_1');
  });

  it.each([
    ['another secret', signed(), body, `whsec_${Buffer.from('x').toString('base64')}`, 0],
    ['a changed body', signed(), body.replace('ann', 'bob'), secret, 0],
    ['a changed id', { ...signed(), 'webhook-id': 'msg_2' }, body, secret, 0],
    ['a changed time', { ...signed(), 'webhook-timestamp': String(at + 1) }, body, secret, 0],
    ['no signature', { ...signed(), 'webhook-signature': '' }, body, secret, 0],
    ['a time that is none', { ...signed(), 'webhook-timestamp': 'now' }, body, secret, 0],
    ['five minutes and a second', signed(), body, secret, 301_000],
    ['a clock that is five minutes and a second ahead', signed(), body, secret, -301_000],
    ['a secret that is none', signed(), body, 'whsec_', 0],
    ['no JSON', signed('nonsense'), 'nonsense', secret, 0],
  ])('with %s is refused', (_, headers, text, key, later) => {
    const attempt = (): WebhookEvent => verifyWebhook(headers, text, key, { now: () => now() + later });
    expect(attempt).toThrow(BelfryError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'webhook-invalid' }));
  });

  it('at five minutes exactly is accepted', () => {
    expect(verifyWebhook(signed(), body, secret, { now: () => now() + 300_000 }).id).toBe('msg_1');
  });

  it('of the real server is accepted', async () => {
    let arrived: (event: WebhookEvent | Error) => void = () => {};
    const event = new Promise<WebhookEvent | Error>((resolve) => {
      arrived = resolve;
    });
    let known = '';
    const endpoint = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.writeHead(204).end();
      try {
        arrived(verifyWebhook(request.headers, Buffer.concat(chunks), known));
      } catch (error) {
        arrived(error as Error);
      }
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void endpoint.close());
    const host = `127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
    const belfry = await startBelfry({ env: { BELFRY__STATUS_WEBHOOKS__PRIVATE_HOSTS: `["${host}"]` } });
    const headers = { authorization: `Bearer ${belfry.apiKey}`, 'content-type': 'application/json' };
    const made = await fetch(`${belfry.url}/v1/webhooks/app`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({ url: `http://${host}/hooks`, events: ['sent'] }),
    });
    known = ((await made.json()) as { secret: string }).secret;
    const test = await fetch(`${belfry.url}/v1/webhooks/app/test`, { method: 'POST', headers });
    const { webhook_id: id } = (await test.json()) as { webhook_id: string };
    expect(await event).toMatchObject({ id, type: 'webhook.test' });
  });
});
