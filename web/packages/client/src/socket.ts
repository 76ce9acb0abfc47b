/** A WebSocket as a wire. */

import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from '@belfry/protocol';
import type { Wire, WireEvents } from './wire.js';

const OPEN = 1;

export function openSocket(
  Socket: typeof WebSocket,
  base: URL,
  token: string | null,
  auth: 'subprotocol' | 'query',
  events: WireEvents,
): Wire {
  const url = new URL('ws', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const protocols: string[] = [SUBPROTOCOL];
  if (token !== null && auth === 'query') url.searchParams.set('token', token);
  else if (token !== null) protocols.push(BEARER_SUBPROTOCOL_PREFIX + token);
  const socket = new Socket(url, protocols);
  let opened = false;
  socket.onopen = () => {
    opened = true;
  };
  socket.onmessage = ({ data }) => (typeof data === 'string' ? events.text(data) : events.life());
  socket.onclose = ({ code, reason }) => events.end(code, reason, opened);
  return {
    kind: 'websocket',
    send(type, data) {
      const ready = socket.readyState === OPEN;
      if (ready) socket.send(JSON.stringify({ type, data }));
      return ready;
    },
    close() {
      // A dead link never says `close` in time: it is left behind.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}
