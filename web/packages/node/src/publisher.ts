/** What a back end does with Belfry, repeated where that is safe. */

import type {
  AlertTrace,
  DisconnectAnswer,
  DisconnectBody,
  Group,
  GroupSize,
  InboxPage,
  Stats,
  User,
  UserProfile,
} from '@belfry/protocol';
import { type BatchOutcome, runBatch } from './batch.js';
import { BelfryError, misconfigured } from './error.js';
import {
  type AnyNewAlert,
  audienceOf,
  idempotencyKeyOf,
  type Kind,
  type NewAlert,
  type Receipt,
  type To,
} from './kinds.js';
import { usualRetries } from './retry.js';
import { type Snapshot, snapshotOf } from './snapshot.js';
import { type Answer, type Call, type Clock, parseBase, Transport } from './transport.js';

/** How to publish. */
export interface PublisherOptions {
  /** The server's base URL, with a path prefix where it is mounted under one. Default: `BELFRY_URL`. */
  url?: string;
  /** An API key with the scopes that the calls need. Default: `BELFRY_API_KEY`. */
  apiKey?: string;
  /** Repetitions of what failed for the moment. Default 5. */
  retries?: number;
  /** For one try. Default 10,000. */
  timeoutMs?: number;
  fetch?: typeof fetch;
  clock?: Clock;
  random?: () => number;
}

/** What every call takes. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** What `snapshot` takes. */
export interface SnapshotOptions extends CallOptions {
  /** The person's own token, as their request brought it. The server trusts it, not `user`, for whose inbox it is. */
  token?: string;
  /** Alerts on the page. Default 20. */
  limit?: number;
}

/** One entry of a batch. */
export type BatchEntry = AnyNewAlert & { to: To };

/** Publishes alerts, and manages users and groups. */
export interface Publisher {
  /** To one person or several. When it resolves, the alert is on the server's disk. */
  publishAlert<K extends Kind>(to: To, alert: NewAlert<K>, options?: CallOptions): Promise<Receipt>;
  /** To whoever is in the group now, or to these persons. */
  publishToGroup<K extends Kind>(
    group: string | readonly string[],
    alert: NewAlert<K>,
    options?: CallOptions,
  ): Promise<Receipt>;
  broadcastToUser<K extends Kind>(user: string, alert: NewAlert<K>, options?: CallOptions): Promise<Receipt>;
  broadcastToAll<K extends Kind>(alert: NewAlert<K>, options?: CallOptions): Promise<Receipt>;
  /** Many alerts, as a source gives them: one outcome for each, in order, as soon as it is known. */
  publishBatch(
    alerts: Iterable<BatchEntry> | AsyncIterable<BatchEntry>,
    options?: CallOptions,
  ): AsyncGenerator<BatchOutcome, void, undefined>;
  /** Takes an alert back, out of every inbox. */
  recall(id: string, options?: CallOptions): Promise<void>;
  /** An alert, and where it stands with a page of its recipients. */
  getAlert(id: string, options?: CallOptions & { after?: string }): Promise<AlertTrace>;
  /** Says how a person can be reached and addressed; a missing field is forgotten. */
  putUser(user: string, profile: UserProfile, options?: CallOptions): Promise<User>;
  getUser(user: string, options?: CallOptions): Promise<User>;
  /** Erases everything of a person. */
  deleteUser(user: string, options?: CallOptions): Promise<void>;
  /** Closes a person's connections; with `revoke_before` their older tokens are refused, too. */
  disconnectUser(user: string, options?: CallOptions & { revoke_before?: string | Date }): Promise<DisconnectAnswer>;
  /** Sets who is in a group. */
  putGroup(group: string, members: readonly string[], options?: CallOptions): Promise<GroupSize>;
  /** A page of a group's members. */
  getGroup(group: string, options?: CallOptions & { after?: string }): Promise<Group>;
  deleteGroup(group: string, options?: CallOptions): Promise<void>;
  addMembers(group: string, members: readonly string[], options?: CallOptions): Promise<GroupSize>;
  removeMembers(group: string, members: readonly string[], options?: CallOptions): Promise<GroupSize>;
  /** Connections, users, rates, queues. */
  getConnectionStats(options?: CallOptions): Promise<Stats>;
  /** A person's unread number, for a page that a server renders; with their own token the newest alerts, too. */
  snapshot(user: string, options?: SnapshotOptions): Promise<Snapshot>;
}

/** Makes a publisher. Throws where the options cannot be used; makes no call. */
export function createPublisher(options: PublisherOptions = {}): Publisher {
  const url = options.url ?? process.env['BELFRY_URL'];
  const apiKey = options.apiKey ?? process.env['BELFRY_API_KEY'];
  if (url === undefined || url === '') throw misconfigured('where is Belfry? Give `url`, or set `BELFRY_URL`');
  if (apiKey === undefined || apiKey === '') throw misconfigured('give `apiKey`, or set `BELFRY_API_KEY`');
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw misconfigured('the API key has characters that no header takes');
  const clock = options.clock ?? systemClock;
  const transport = new Transport({
    base: parseBase(url),
    apiKey,
    fetch: options.fetch ?? fetch,
    timeoutMs: options.timeoutMs ?? 10_000,
    retry: { ...usualRetries, retries: options.retries ?? usualRetries.retries },
    clock,
    random: options.random ?? Math.random,
  });
  return new HttpPublisher(transport, clock);
}

/** The clock of this process. */
export const systemClock: Clock = {
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

const batchLimits = { lines: 2_000, bytes: 4 * 1024 * 1024, lingerMs: 200 };

class HttpPublisher implements Publisher {
  readonly #transport: Transport;
  readonly #clock: Clock;

  constructor(transport: Transport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  async publishAlert<K extends Kind>(to: To, alert: NewAlert<K>, options: CallOptions = {}): Promise<Receipt> {
    return await this.#publish(encode(to, alert), options.signal);
  }

  async publishToGroup<K extends Kind>(
    group: string | readonly string[],
    alert: NewAlert<K>,
    options?: CallOptions,
  ): Promise<Receipt> {
    return await this.publishAlert(typeof group === 'string' ? { group } : group, alert, options);
  }

  async broadcastToUser<K extends Kind>(user: string, alert: NewAlert<K>, options?: CallOptions): Promise<Receipt> {
    return await this.publishAlert(user, alert, options);
  }

  async broadcastToAll<K extends Kind>(alert: NewAlert<K>, options?: CallOptions): Promise<Receipt> {
    return await this.publishAlert({ everyone: true }, alert, options);
  }

  publishBatch(
    alerts: Iterable<BatchEntry> | AsyncIterable<BatchEntry>,
    options: CallOptions = {},
  ): AsyncGenerator<BatchOutcome, void, undefined> {
    return runBatch(alerts, ({ to, ...alert }) => encode(to, alert), {
      transport: this.#transport,
      clock: this.#clock,
      limits: batchLimits,
      signal: options.signal,
      alone: (body) => this.#publish(body, options.signal),
    });
  }

  async recall(id: string, options?: CallOptions): Promise<void> {
    await this.#call({ method: 'DELETE', path: ['v1', 'alerts', id], signal: options?.signal });
  }

  async getAlert(id: string, options?: CallOptions & { after?: string }): Promise<AlertTrace> {
    return await this.#json({
      method: 'GET',
      path: ['v1', 'alerts', id],
      query: { after: options?.after },
      signal: options?.signal,
    });
  }

  async putUser(user: string, profile: UserProfile, options?: CallOptions): Promise<User> {
    return await this.#json({
      method: 'PUT',
      path: ['v1', 'users', user],
      body: JSON.stringify(profile),
      signal: options?.signal,
    });
  }

  async getUser(user: string, options?: CallOptions): Promise<User> {
    return await this.#json({ method: 'GET', path: ['v1', 'users', user], signal: options?.signal });
  }

  async deleteUser(user: string, options?: CallOptions): Promise<void> {
    await this.#call({ method: 'DELETE', path: ['v1', 'users', user], signal: options?.signal });
  }

  async disconnectUser(
    user: string,
    options: CallOptions & { revoke_before?: string | Date } = {},
  ): Promise<DisconnectAnswer> {
    const { revoke_before: before, signal } = options;
    const body: DisconnectBody = before === undefined ? {} : { revoke_before: new Date(before).toISOString() };
    return await this.#json({
      method: 'POST',
      path: ['v1', 'users', user, 'disconnect'],
      body: JSON.stringify(body),
      signal,
    });
  }

  async putGroup(group: string, members: readonly string[], options?: CallOptions): Promise<GroupSize> {
    return await this.#members('PUT', ['v1', 'groups', group], members, options);
  }

  async getGroup(group: string, options?: CallOptions & { after?: string }): Promise<Group> {
    return await this.#json({
      method: 'GET',
      path: ['v1', 'groups', group],
      query: { after: options?.after },
      signal: options?.signal,
    });
  }

  async deleteGroup(group: string, options?: CallOptions): Promise<void> {
    await this.#call({ method: 'DELETE', path: ['v1', 'groups', group], signal: options?.signal });
  }

  async addMembers(group: string, members: readonly string[], options?: CallOptions): Promise<GroupSize> {
    return await this.#members('POST', ['v1', 'groups', group, 'members'], members, options);
  }

  async removeMembers(group: string, members: readonly string[], options?: CallOptions): Promise<GroupSize> {
    return await this.#members('DELETE', ['v1', 'groups', group, 'members'], members, options);
  }

  async getConnectionStats(options?: CallOptions): Promise<Stats> {
    return await this.#json({ method: 'GET', path: ['v1', 'stats'], signal: options?.signal });
  }

  async snapshot(user: string, options: SnapshotOptions = {}): Promise<Snapshot> {
    const { token, limit = 20, signal } = options;
    if (token !== undefined) {
      const query = { limit: String(limit) };
      return snapshotOf(await this.#json<InboxPage>({ method: 'GET', path: ['v1', 'inbox'], query, token, signal }));
    }
    try {
      return { unread: (await this.getUser(user, options)).unread };
    } catch (error) {
      // Nobody has sent them anything, and they were never here.
      if (error instanceof BelfryError && error.code === 'user-unknown') return { unread: 0, alerts: [] };
      throw error;
    }
  }

  async #publish(body: string, signal: AbortSignal | undefined): Promise<Receipt> {
    const answer = await this.#call({ method: 'POST', path: ['v1', 'alerts'], body, signal });
    const receipt = answer.body as Omit<Receipt, 'replayed'>;
    return { ...receipt, replayed: answer.headers.get('idempotent-replayed') === 'true' };
  }

  async #members(
    method: 'PUT' | 'POST' | 'DELETE',
    path: readonly string[],
    members: readonly string[],
    options: CallOptions | undefined,
  ): Promise<GroupSize> {
    return await this.#json({ method, path, body: JSON.stringify({ members }), signal: options?.signal });
  }

  async #json<T>(call: Call): Promise<T> {
    return (await this.#call(call)).body as T;
  }

  #call(call: Call): Promise<Answer> {
    return this.#transport.call(call);
  }
}

/** The body of a publish. The key stands in it, so that every repetition brings the same one. */
function encode(to: To, alert: Omit<AnyNewAlert, 'kind'>): string {
  const body = { ...alert, to: audienceOf(to), idempotency_key: idempotencyKeyOf(alert) };
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw misconfigured('the alert has no JSON form', error);
  }
}
