/** What the compiler must say of the types; this file is compiled, never run. */

import type { Audience, ClientFrame, ErrorCode, LiveAlert, NewAlert, ServerFrame, Stats } from '@belfry/protocol';
import { isServerFrame, isServerFrameOf, parseServerMessage } from '@belfry/protocol';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Fails to compile unless both are the same type. */
export function same<A, B>(_: Same<A, B>): void {}

export function narrowing(message: unknown): void {
  if (isServerFrame(message) && message.type === 'catch-up') {
    same<typeof message.data.more, boolean>(true);
  }
  if (isServerFrameOf(message, 'going-away')) {
    same<typeof message.data.reconnect_after_ms, number>(true);
  }
  const parsed = parseServerMessage('');
  same<typeof parsed, ServerFrame | LiveAlert | null>(true);
}

same<Stats['queues'][string], number>(true);

// @ts-expect-error exactly one audience with a name
export const nobody: Audience = {};
// @ts-expect-error everyone is true or absent
export const notEveryone: Audience = { everyone: false };
// @ts-expect-error an alert has a kind
export const kindless: NewAlert = { to: { user: 'ann' } };
// @ts-expect-error frames have the protocol's types
export const chat: ClientFrame = { type: 'chat', data: {} };
// @ts-expect-error codes are a closed list
export const code: ErrorCode = 'no-such-code';
