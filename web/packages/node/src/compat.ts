/** The names of a hand-built `ws` service, over Belfry. Nothing here throws or rejects. */

import type { Server } from 'node:http';
import type { Stats } from '@belfry/protocol';
import { upstreamOf } from './forwarding.js';
import type { Kind, NewAlert, To } from './kinds.js';
import type { DealNotificationData, SystemMessageData, WebSocketMessage } from './messages.js';
import { createWebSocketMessage } from './messages.js';
import { Outbox, type OutboxLimits, usualOutboxLimits } from './outbox.js';
import { type BatchEntry, createPublisher, type Publisher, systemClock } from './publisher.js';
import type { Clock } from './transport.js';
import { pipeUpgrades, type UpgradePipe } from './upgrade-pipe.js';

export type { Middleware, MiddlewareHost, ProxyOptions } from './http-proxy.js';
export { createBelfryProxy, proxyToBelfry } from './http-proxy.js';
export type {
  DealInfo,
  DealNotificationData,
  ErrorMessageData,
  JobCompletedData,
  SystemMessageData,
  WebSocketMessage,
  WebSocketMessageType,
} from './messages.js';
export { createWebSocketMessage } from './messages.js';
export type { OutboxLimits } from './outbox.js';

/** What `initialize` takes. */
export interface InitializeOptions {
  /** Belfry's base URL. Default: `BELFRY_URL`. */
  url?: string;
  /** Default: `BELFRY_API_KEY`. */
  apiKey?: string;
  /** Whose upgrades go to Belfry. Default `/ws` and `/ws/alerts`. */
  paths?: readonly string[];
  /** Most sockets at once. Default 20,000. */
  connectionsMax?: number;
}

/** How many are connected. */
export interface ConnectionStats {
  totalConnections: number;
  totalUsers: number;
  /** Everything Belfry says; `null`: it could not be asked. */
  stats: Stats | null;
}

/** The service a server was built around. */
export interface WebSocketService {
  /** Serves sockets on this server's own port. */
  initialize(server: Server, options?: InitializeOptions): void;
  broadcastDealNotification(userId: string, data: DealNotificationData): void;
  broadcastSystemMessage(data: SystemMessageData): void;
  broadcastToUser(userId: string, message: WebSocketMessage): void;
  broadcastToAll(message: WebSocketMessage): void;
  getConnectionStats(): Promise<ConnectionStats>;
  /** Publishes what waits, once more, and ends the sockets. A server that is started again may `initialize` again. */
  shutdown(): Promise<void>;
}

/** Publishing without waiting for the answer. */
export interface AlertPublisher {
  publishAlert<K extends Kind>(to: To, alert: NewAlert<K>): void;
  publishToGroup<K extends Kind>(group: string | readonly string[], alert: NewAlert<K>): void;
}

/** What a test, or an application with two of them, says otherwise. */
export interface CompatOptions {
  env?: Readonly<Record<string, string | undefined>>;
  log?: (message: string) => void;
  publisher?: Publisher;
  limits?: OutboxLimits;
  clock?: Clock;
  random?: () => number;
}

/** Both services over one queue. With `NODE_ENV=test` they do nothing. */
export function createCompat(options: CompatOptions = {}): {
  websocketService: WebSocketService;
  alertPublisher: AlertPublisher;
} {
  const house = new House(options);
  return {
    websocketService: {
      initialize: (server, more) => house.initialize(server, more ?? {}),
      broadcastDealNotification: (user, data) => house.tell(user, createWebSocketMessage.dealNotification(data)),
      broadcastSystemMessage: (data) => house.tell({ everyone: true }, createWebSocketMessage.systemMessage(data)),
      broadcastToUser: (user, message) => house.tell(user, message),
      broadcastToAll: (message) => house.tell({ everyone: true }, message),
      getConnectionStats: () => house.stats(),
      shutdown: () => house.shutdown(),
    },
    alertPublisher: {
      publishAlert: (to, alert) => house.publish({ ...alert, to } as BatchEntry),
      publishToGroup: (group, alert) =>
        house.publish({ ...alert, to: typeof group === 'string' ? { group } : group } as BatchEntry),
    },
  };
}

class House {
  readonly #options: CompatOptions;
  readonly #log: (message: string) => void;
  #settings: InitializeOptions = {};
  #publisher: Publisher | null = null;
  #outbox: Outbox | null = null;
  #pipe: UpgradePipe | null = null;

  constructor(options: CompatOptions) {
    this.#options = options;
    this.#publisher = options.publisher ?? null;
    this.#log = options.log ?? ((message) => console.warn(`[belfry] ${message}`));
  }

  get #inert(): boolean {
    return (this.#options.env ?? process.env)['NODE_ENV'] === 'test';
  }

  initialize(server: Server, options: InitializeOptions): void {
    if (this.#inert) return;
    this.#settings = options;
    try {
      const upstream = upstreamOf(options.url ?? this.#env('BELFRY_URL'));
      this.#pipe?.close();
      this.#pipe = pipeUpgrades(server, {
        upstream,
        paths: options.paths ?? ['/ws', '/ws/alerts'],
        connectionsMax: options.connectionsMax ?? 20_000,
        timeoutMs: 10_000,
      });
    } catch (error) {
      this.#log(`sockets are not served: ${textOf(error)}`);
    }
  }

  tell(to: To, message: WebSocketMessage): void {
    this.publish({ to, kind: message.type, data: message.data } as BatchEntry);
  }

  publish(entry: BatchEntry): void {
    if (this.#inert) return;
    try {
      this.#outbox ??= new Outbox({
        publisher: () => this.#connect(),
        log: this.#log,
        clock: this.#options.clock ?? systemClock,
        random: this.#options.random ?? Math.random,
        limits: this.#options.limits ?? usualOutboxLimits,
      });
      this.#outbox.push(entry);
    } catch (error) {
      this.#log(`an alert was not published: ${textOf(error)}`);
    }
  }

  async stats(): Promise<ConnectionStats> {
    const none = { totalConnections: 0, totalUsers: 0, stats: null };
    if (this.#inert) return none;
    try {
      const stats = await this.#connect().getConnectionStats();
      return { totalConnections: stats.connections, totalUsers: stats.users, stats };
    } catch {
      return none;
    }
  }

  async shutdown(): Promise<void> {
    const outbox = this.#outbox;
    this.#outbox = null;
    await outbox?.close();
    this.#pipe?.close();
    this.#pipe = null;
  }

  #connect(): Publisher {
    const { url = this.#env('BELFRY_URL'), apiKey = this.#env('BELFRY_API_KEY') } = this.#settings;
    // The queue repeats: the publisher itself tries twice, for a connection that was closed meanwhile.
    this.#publisher ??= createPublisher({ url: url ?? '', apiKey: apiKey ?? '', retries: 1 });
    return this.#publisher;
  }

  #env(name: string): string | undefined {
    return (this.#options.env ?? process.env)[name];
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const singletons = createCompat();

/** The service of this process. */
export const websocketService: WebSocketService = singletons.websocketService;

/** The publisher of this process. */
export const alertPublisher: AlertPublisher = singletons.alertPublisher;
