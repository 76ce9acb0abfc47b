/** The words of Belfry: types of every frame and body, and how to tell frames apart. */

import type {
  Advice,
  CloseCodeEntry,
  ErrorCode,
  Item,
  ItemState,
  Problem,
  Seq,
  ServerFrame,
  ServerFrameType,
} from './generated.js';
import { clientFrameTypes, closeCodes, errorCodes, serverFrameTypes } from './generated.js';

export * from './generated.js';

/** The prefix of the subprotocol entry that carries a token: `bearer.<jwt>`. */
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.';

/** An alert as it arrives live. */
export type LiveAlert = Item & { unread: number };

/** An alert in `catch-up`, `reset` and the inbox. */
export type InboxItem = Item & { version: Seq; state: ItemState };

/** What a server's text is: a frame of the protocol or a live alert. */
export type ServerMessage = ServerFrame | LiveAlert;

/** One frame of this type. */
export type ServerFrameOf<T extends ServerFrameType> = Extract<ServerFrame, { type: T }>;

/** What the client does after a close: the range of the number alone decides, so codes that come later are covered. */
export function adviceFor(code: number): Advice {
  if (code >= 4400 && code <= 4499) return 'authenticate';
  if (code >= 4500 && code <= 4999) return 'stop';
  return 'reconnect';
}

/** What a close code means, where this version knows it. */
export function closeCode(code: number): CloseCodeEntry | undefined {
  return closeCodes.find((entry) => entry.number === code);
}

/** Whether a text is an error code that this version knows. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}

/** Whether an application's kind may not have this name. */
export function isReservedKind(name: string): boolean {
  return name.startsWith('belfry.') || includes(serverFrameTypes, name) || includes(clientFrameTypes, name);
}

/** Whether a parsed message is a frame of the protocol. Its data is the server's word: it is not checked field by field. */
export function isServerFrame(message: unknown): message is ServerFrame {
  return isEnvelope(message) && includes(serverFrameTypes, message.type);
}

/** Whether a parsed message is a frame of this type. */
export function isServerFrameOf<T extends ServerFrameType>(message: unknown, type: T): message is ServerFrameOf<T> {
  return isServerFrame(message) && message.type === type;
}

/** Whether a parsed message is an alert: live, or an item of a list. */
export function isAlert(message: unknown): message is Item {
  return (
    isEnvelope(message) &&
    !isReservedKind(message.type) &&
    typeof message['id'] === 'string' &&
    typeof message['seq'] === 'number' &&
    typeof message['title'] === 'string' &&
    isObject(message.data)
  );
}

/** Whether a parsed message is an alert that arrived live. */
export function isLiveAlert(message: unknown): message is LiveAlert {
  return isAlert(message) && typeof message.unread === 'number';
}

/** Whether an alert carries its state, as in lists. */
export function isInboxItem(message: unknown): message is InboxItem {
  return isAlert(message) && typeof message.version === 'number' && isObject(message.state);
}

/** Whether an HTTP answer's body is a problem document. Its `code` may be one that this version does not know. */
export function isProblem(body: unknown): body is Omit<Problem, 'code'> & { code: string } {
  return (
    isObject(body) &&
    typeof body['code'] === 'string' &&
    typeof body['status'] === 'number' &&
    typeof body['title'] === 'string' &&
    typeof body['detail'] === 'string'
  );
}

/** Reads a server's text. `null`: a type this version does not know, or no frame at all; it is to be ignored. */
export function parseServerMessage(text: string): ServerMessage | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  return isServerFrame(message) || isLiveAlert(message) ? message : null;
}

interface Envelope {
  readonly [field: string]: unknown;
  readonly type: string;
  readonly data: unknown;
  readonly timestamp: string;
}

function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEnvelope(value: unknown): value is Envelope {
  return (
    isObject(value) && typeof value['type'] === 'string' && typeof value['timestamp'] === 'string' && 'data' in value
  );
}

function includes(list: readonly string[], text: string): boolean {
  return list.includes(text);
}
