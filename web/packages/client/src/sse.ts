/** Server-sent events as a wire, for networks that let no WebSocket through. Loaded only there. */

import { LOST } from './connection.js';
import { asFailure } from './failure.js';
import type { Call, refusal } from './rest.js';
import type { Wire, WireEvents } from './wire.js';

export interface EventsParts {
  readonly fetch: typeof fetch;
  readonly base: URL;
  readonly token: string | null;
  readonly call: Call;
  readonly refusal: typeof refusal;
  /** Where the inbox stands. */
  readonly cursor: string | null;
}

/** Reads with `fetch`, because an `EventSource` can neither set a header nor tell why it was refused. */
export function openEvents({ fetch, base, token, call, refusal, cursor }: EventsParts, events: WireEvents): Wire {
  let stop = new AbortController();
  /** The cursor that stands in the address, until the inbox has asked from there. */
  let asked = cursor;

  const read = async (query: Record<string, string>): Promise<void> => {
    const mine = new AbortController();
    stop.abort();
    stop = mine;
    const url = new URL('v1/events', base);
    url.search = String(new URLSearchParams({ protocol: 'belfry.v1', ...query }));
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    let opened = false;
    try {
      const answer = await fetch(url, { headers, credentials: 'include', cache: 'no-store', signal: mine.signal });
      if (!answer.ok || !answer.body) throw await refusal(answer);
      opened = true;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ; ) {
        const { done, value } = await reader.read();
        if (mine !== stop) return;
        if (done) return events.end(LOST, '', true);
        const lines = (rest + value).split('\n');
        rest = lines.pop() ?? '';
        events.life();
        // A frame is one `data` line: its JSON has no line breaks.
        for (const line of lines) if (line.startsWith('data: ') && mine === stop) events.text(line.slice(6));
      }
    } catch (error) {
      if (mine === stop) events.end(LOST, '', opened, asFailure(error, 'connection-lost'));
    }
  };
  void read(cursor === null ? {} : { cursor });

  return {
    kind: 'sse',
    send(type, data) {
      if (type === 'resume') {
        const { cursor: from, max } = data as { cursor: string; max: number };
        // The address said it already.
        if (from !== asked) void read({ cursor: from, max: String(max) });
        asked = from === asked ? null : from;
      } else if (type === 'ack') call('POST', 'v1/acks', data).catch(() => {});
      else if (type === 'ping') call('GET', 'v1/inbox/unread-count').then(events.life, () => {});
      else return false;
      return true;
    },
    close() {
      const last = stop;
      stop = new AbortController();
      last.abort();
    },
  };
}
