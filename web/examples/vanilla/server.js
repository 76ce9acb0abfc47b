// Serves one page, gives it a token, and puts Belfry behind the same origin.

import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createPublisher } from '@belfry/node';
import { proxyToBelfry, websocketService } from '@belfry/node/compat';

const port = Number(process.env.PORT ?? 3001);
const folder = process.env.BELFRY_DATA_DIR ?? '../../../belfry-data';
const url = process.env.BELFRY_URL ?? (await fromDev('dev-url'));
const apiKey = process.env.BELFRY_API_KEY ?? (await fromDev('api-key'));
const secret = process.env.JWT_SECRET ?? /^jwt_secret = "(.+)"$/m.exec(await fromDev('dev-keys.toml'))?.[1] ?? '';
const publisher = createPublisher({ url, apiKey });

/** Nothing inline, nothing from elsewhere. Sockets to the own origin are `'self'`. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: https:",
  "worker-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const files = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/style.css', ['style.css', 'text/css; charset=utf-8']],
]);

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  try {
    if (request.method === 'GET' && pathname === '/token') giveToken(response);
    else if (request.method === 'POST' && pathname === '/ring') await ring(request, response);
    else await giveFile(pathname, response);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    if (!response.headersSent) response.writeHead(502);
    response.end();
  }
});
proxyToBelfry(server, { url, apiKey });
websocketService.initialize(server, { url, apiKey });
server.listen(port, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${port}\n`));

async function giveFile(path, response) {
  const [name, type] = files.get(path) ?? [];
  if (name === undefined) {
    response.writeHead(404).end();
    return;
  }
  const body = await readFile(new URL(name, import.meta.url));
  response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy }).end(body);
}

/** Who asks is Ann: an application looks at its own session here. */
function giveToken(response) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: 'ann', iat: now, exp: now + 900 })}`;
  const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify({ token }));
}

/** A form of the page. The answer without content leaves the page where it is. */
async function ring(request, response) {
  if ((request.headers['sec-fetch-site'] ?? 'same-origin') !== 'same-origin') {
    response.writeHead(403).end();
    return;
  }
  const form = new URLSearchParams(await bodyOf(request));
  const message = form.get('message')?.trim().slice(0, 300) ?? '';
  if (message !== '')
    await publisher.publishAlert(form.has('everyone') ? { everyone: true } : 'ann', alertOf(form, message));
  response.writeHead(204).end();
}

/** One for everyone is a banner, one for Ann a toast; both are in the inbox. */
function alertOf(form, message) {
  const severity = form.has('critical') ? 'critical' : 'info';
  if (form.has('everyone')) return { kind: 'system-message', severity, data: { message, severity: 'info' } };
  const finished_at = new Date().toISOString();
  const data = { job_id: finished_at, job_name: 'The bell', status: 'succeeded', message, finished_at };
  return { kind: 'job-completed', severity, title: 'The bell rang', link: '/', data };
}

async function bodyOf(request) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > 10_000) throw new Error('the form is too large');
  }
  return body;
}

async function fromDev(name) {
  try {
    return (await readFile(join(folder, name), 'utf8')).trim();
  } catch {
    throw new Error(`Start \`belfry dev\` first, or set BELFRY_URL, BELFRY_API_KEY and JWT_SECRET (no ${name}).`);
  }
}
