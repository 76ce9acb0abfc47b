/** A server that answers as a test wrote down, faults included. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** One answer. `drop`: the connection is cut before one. `silence`: nothing is ever said. `cut`: it breaks off after this. */
export type Step =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Record<string, string> }
  | { readonly cut: string; readonly status?: number }
  | 'drop'
  | 'silence';

export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface ScriptedServer {
  readonly url: string;
  /** What arrived, in order. */
  readonly got: readonly Got[];
  /** Nobody listens any more. */
  end(): Promise<void>;
}

/** Answers the first request with the first step, and so on; the last step goes on for ever. */
export function startScripted(...steps: readonly [Step, ...Step[]]): Promise<ScriptedServer> {
  return startScriptedAt(0, ...steps);
}

/** The same, where another one was. */
export async function startScriptedAt(port: number, ...steps: readonly [Step, ...Step[]]): Promise<ScriptedServer> {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    const step = steps[Math.min(got.length, steps.length - 1)] ?? steps[0];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    got.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() });
    play(step, response);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const end = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(end);
  return { end, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got };
}

function play(step: Step, response: ServerResponse): void {
  if (step === 'silence') return;
  if (step === 'drop') {
    response.destroy();
    return;
  }
  if ('cut' in step) {
    response.writeHead(step.status ?? 200, { 'content-type': 'application/x-ndjson' });
    response.write(step.cut, () => response.destroy());
    return;
  }
  const text = typeof step.body === 'string' ? step.body : JSON.stringify(step.body ?? null);
  response.writeHead(step.status, { 'content-type': 'application/json', ...step.headers });
  response.end(text);
}

/** A problem document. */
export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Step {
  const body = { type: `/docs/errors/${code}`, title: code, status, detail: `it is ${code}`, code, ...more };
  return { status, body, headers: { 'content-type': 'application/problem+json', ...headers } };
}
