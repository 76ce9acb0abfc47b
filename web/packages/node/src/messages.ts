/** The messages of a hand-built `ws` service, with the names its team gave them. */

import type { Kind } from './kinds.js';

/** What a message can be: the protocol's own, and the application's kinds. */
export type WebSocketMessageType =
  | 'deal-notification'
  | 'system-message'
  | 'job-completed'
  | 'ping'
  | 'pong'
  | 'error'
  | 'connection-established'
  | Kind;

/** A frame: these three fields are always there. */
export interface WebSocketMessage<T = unknown> {
  type: WebSocketMessageType;
  data: T;
  /** ISO 8601, UTC. */
  timestamp: string;
}

/** One deal on a watched item. */
export interface DealInfo {
  item_name: string;
  best_price_in_cents: number;
  store_name: string;
  store_id: number | string;
}

/** Deals on items that a person watches. */
export interface DealNotificationData {
  /** The stored notification's id: two publishes with the same one are the same notification. */
  notification_id?: string;
  deals: DealInfo[];
  user_id: string;
  message: string;
}

/** An announcement. */
export interface SystemMessageData {
  message: string;
  severity: 'info' | 'warning' | 'error';
  link?: string;
}

/** A background job that affects a person's data has ended. */
export interface JobCompletedData {
  job_id: string;
  job_name: string;
  status: 'succeeded' | 'failed';
  message: string;
  finished_at: string;
}

/** What was refused, and why. */
export interface ErrorMessageData {
  message: string;
  code?: string;
}

/** Makes messages, stamped with the time. */
export const createWebSocketMessage: {
  dealNotification(data: DealNotificationData): WebSocketMessage<DealNotificationData>;
  systemMessage(data: SystemMessageData): WebSocketMessage<SystemMessageData>;
  jobCompleted(data: JobCompletedData): WebSocketMessage<JobCompletedData>;
  error(data: ErrorMessageData): WebSocketMessage<ErrorMessageData>;
} = {
  dealNotification: (data) => message('deal-notification', data),
  systemMessage: (data) => message('system-message', data),
  jobCompleted: (data) => message('job-completed', data),
  error: (data) => message('error', data),
};

function message<T>(type: WebSocketMessageType, data: T): WebSocketMessage<T> {
  return { type, data, timestamp: new Date().toISOString() };
}
