/** Connections and frames as a test client shows them. */

import type { AnyAlert, Connection, ConnectionState, WebSocketMessage } from '@belfry/client';
import { testError } from './alert.js';

/** What the event bus calls a kind where its file says nothing else. */
export const usualEvents: Readonly<Record<string, string>> = {
  'deal-notification': 'notification:deal',
  'system-message': 'notification:system',
  'job-completed': 'notification:job',
};

/** A whole connection, with what usually goes with its state. */
export function connectionOf(
  change: ConnectionState | Partial<Connection>,
  now: number,
  before?: Connection,
): Connection {
  const wanted = typeof change === 'string' ? { state: change } : change;
  const state = wanted.state ?? before?.state ?? 'idle';
  const down = state === 'retrying' || state === 'offline' || state === 'stopped';
  const open = state === 'live' || state === 'catching-up';
  return {
    state,
    since: before?.state === state ? before.since : now,
    isConnected: open,
    isConnecting: state === 'connecting' || state === 'retrying',
    attempts: state === 'retrying' ? 1 : state === 'offline' ? 10 : 0,
    retryAt: state === 'retrying' ? now + 1_000 : state === 'offline' ? now + 60_000 : null,
    error: down ? testError(state === 'stopped' ? 'user-blocked' : 'connection-lost') : null,
    role: state === 'idle' ? 'none' : 'alone',
    transport: open ? 'websocket' : null,
    ...wanted,
  };
}

/** The frame that an alert came in. */
export function messageOf(alert: AnyAlert, unread: number): WebSocketMessage {
  return {
    type: alert.kind,
    data: alert.data,
    timestamp: alert.createdAt,
    id: alert.id,
    stream: alert.stream,
    title: alert.title,
    body: alert.body,
    severity: alert.severity,
    category: alert.category,
    link: alert.link,
    thread: alert.thread,
    expires_at: alert.expiresAt,
    seq: alert.seq,
    quiet: alert.quiet,
    unread,
  };
}
