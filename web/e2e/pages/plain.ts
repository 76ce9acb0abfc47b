/** A page that knows nothing but `{type, data, timestamp}`: what a hand-built client would be. */

interface Frame {
  type: string;
  data: unknown;
  timestamp: string;
}

declare global {
  interface Window {
    plain: { frames: Frame[]; state: string; close: number | null; send(type: string): void };
  }
}

const query = new URLSearchParams(location.search);
const url = new URL(query.get('path') ?? '/ws', location.href.replace(/^http/, 'ws'));
const token = query.get('token');
if (token) url.searchParams.set('token', token);
const socket = new WebSocket(url);

window.plain = {
  frames: [],
  state: 'connecting',
  close: null,
  send: (type) => socket.send(JSON.stringify({ type, data: null, timestamp: new Date().toISOString() })),
};
socket.onopen = () => {
  window.plain.state = 'open';
};
socket.onclose = (event) => {
  window.plain.state = 'closed';
  window.plain.close = event.code;
};
socket.onmessage = (event: MessageEvent<string>) => {
  window.plain.frames.push(JSON.parse(event.data) as Frame);
};
