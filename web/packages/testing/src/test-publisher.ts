/** A publisher without a server: a test sees what a back end would have sent. */

import type { BatchEntry, BatchOutcome, Publisher, Receipt, To } from '@belfry/node';
import type { AlertTrace, Group, GroupSize, Stats, User, UserProfile } from '@belfry/protocol';
import { fakeId } from './fake-inbox.js';
import type { FakeServer } from './fake-server.js';

/** One alert that was published. */
export interface Published {
  readonly id: string;
  /** As it was given: a person, several, or an audience. */
  readonly to: To;
  readonly alert: Omit<BatchEntry, 'to'>;
}

/** A `Publisher`, and what a test sees of it. */
export interface TestPublisher extends Publisher {
  /** In order, without those whose idempotency key was there before, and without what was recalled. */
  readonly published: readonly Published[];
  readonly recalled: readonly string[];
  readonly users: ReadonlyMap<string, UserProfile>;
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly disconnected: readonly string[];
  /** The next publish rejects with this. */
  failNext(error: Error): void;
}

/** Makes one. With a fake server, what is published reaches whoever is connected there. */
export function createTestPublisher(server?: FakeServer): TestPublisher {
  return new InMemoryPublisher(server);
}

class InMemoryPublisher implements TestPublisher {
  published: Published[] = [];
  readonly recalled: string[] = [];
  readonly users = new Map<string, UserProfile>();
  readonly groups = new Map<string, readonly string[]>();
  readonly disconnected: string[] = [];
  readonly #server: FakeServer | undefined;
  readonly #failures: Error[] = [];
  readonly #receipts = new Map<string, Receipt>();
  #ids = 0;

  constructor(server: FakeServer | undefined) {
    this.#server = server;
  }

  failNext(error: Error): void {
    this.#failures.push(error);
  }

  async publishAlert(to: To, alert: Omit<BatchEntry, 'to'>): Promise<Receipt> {
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
    const key = alert.idempotency_key;
    const before = key === undefined ? undefined : this.#receipts.get(key);
    if (before !== undefined) return { ...before, replayed: true };
    const id = this.#hand(to, alert);
    this.published.push({ id, to, alert });
    const users = this.#usersOf(to);
    const receipt: Receipt = {
      id,
      recipients: users?.length ?? null,
      notifications: (users ?? []).map((user) => ({ user, seq: this.#count(user) })),
      replayed: false,
    };
    if (key !== undefined) this.#receipts.set(key, receipt);
    return receipt;
  }

  publishToGroup(group: string | readonly string[], alert: Omit<BatchEntry, 'to'>): Promise<Receipt> {
    return this.publishAlert(typeof group === 'string' ? { group } : group, alert);
  }

  broadcastToUser(user: string, alert: Omit<BatchEntry, 'to'>): Promise<Receipt> {
    return this.publishAlert(user, alert);
  }

  broadcastToAll(alert: Omit<BatchEntry, 'to'>): Promise<Receipt> {
    return this.publishAlert({ everyone: true }, alert);
  }

  async *publishBatch(
    alerts: Iterable<BatchEntry> | AsyncIterable<BatchEntry>,
  ): AsyncGenerator<BatchOutcome, void, undefined> {
    let index = 0;
    for await (const { to, ...alert } of alerts) {
      const { replayed: _, ...receipt } = await this.publishAlert(to, alert);
      yield { index, ok: true, receipt };
      index += 1;
    }
  }

  async recall(id: string): Promise<void> {
    this.recalled.push(id);
    this.published = this.published.filter((one) => one.id !== id);
    this.#server?.recall(id);
  }

  async getAlert(id: string): Promise<AlertTrace> {
    const found = this.published.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no alert \`${id}\` was published here`);
    const { to, alert } = found;
    return {
      id,
      to: typeof to === 'string' ? { user: to } : isList(to) ? { users: [...to] } : to,
      kind: alert.kind,
      data: alert.data as Record<string, unknown>,
      title: alert.title ?? alert.kind,
      body: alert.body ?? null,
      link: alert.link ?? null,
      severity: alert.severity ?? 'info',
      category: alert.category ?? alert.kind,
      thread: alert.thread ?? null,
      collapse_key: alert.collapse_key ?? null,
      quiet: alert.quiet ?? false,
      created_at: '2026-01-01T00:00:00Z',
      expires_at: alert.expires_at === undefined ? null : new Date(alert.expires_at).toISOString(),
      recalled_at: null,
      recipients: this.#usersOf(to)?.length ?? null,
      expanded: this.#usersOf(to)?.length ?? null,
      trace: [],
      next: null,
    };
  }

  async putUser(user: string, profile: UserProfile): Promise<User> {
    this.users.set(user, profile);
    return this.getUser(user);
  }

  async getUser(user: string): Promise<User> {
    const unread = this.#server?.unreadOf(user) ?? this.#count(user);
    const connections = this.#server?.connections.filter((one) => one.user === user).length ?? 0;
    const known = this.users.get(user);
    return { id: user, created_at: '2026-01-01T00:00:00Z', revoke_before: null, unread, connections, ...known };
  }

  async deleteUser(user: string): Promise<void> {
    this.users.delete(user);
  }

  async disconnectUser(user: string): Promise<{ closed: number }> {
    this.disconnected.push(user);
    const open = this.#server?.connections.filter((one) => one.user === user) ?? [];
    for (const connection of open) connection.end(4403, 'token-revoked');
    return { closed: open.length };
  }

  async putGroup(group: string, members: readonly string[]): Promise<GroupSize> {
    const sorted = [...new Set(members)].sort();
    this.groups.set(group, sorted);
    return { id: group, member_count: sorted.length };
  }

  async getGroup(group: string): Promise<Group> {
    const members = [...(this.groups.get(group) ?? [])];
    return { id: group, member_count: members.length, members, next: null };
  }

  async deleteGroup(group: string): Promise<void> {
    this.groups.delete(group);
  }

  addMembers(group: string, members: readonly string[]): Promise<GroupSize> {
    return this.putGroup(group, [...(this.groups.get(group) ?? []), ...members]);
  }

  removeMembers(group: string, members: readonly string[]): Promise<GroupSize> {
    const stay = (this.groups.get(group) ?? []).filter((one) => !members.includes(one));
    return this.putGroup(group, stay);
  }

  async getConnectionStats(): Promise<Stats> {
    const open = this.#server?.connections ?? [];
    const users = new Set(open.map((one) => one.user)).size;
    return { connections: open.length, users, nodes: [], kinds: {}, queues: {}, delivery_lag_ms: 0 };
  }

  async snapshot(user: string): Promise<{ unread: number }> {
    return { unread: (await this.getUser(user)).unread };
  }

  #hand(to: To, alert: Omit<BatchEntry, 'to'>): string {
    this.#ids += 1;
    if (this.#server === undefined) return fakeId(this.#ids);
    const { expires_at: expires, idempotency_key: _, ladder: __, data: given, ...rest } = alert;
    const data = given as Readonly<Record<string, unknown>>;
    const users = this.#usersOf(to);
    return this.#server.publish(users === null ? { everyone: true } : users, {
      ...rest,
      data,
      expires_at: expires === undefined ? null : new Date(expires).toISOString(),
    });
  }

  /** `null`: everyone. */
  #usersOf(to: To): readonly string[] | null {
    if (typeof to === 'string') return [to];
    if (isList(to)) return to;
    if ('user' in to) return [to.user];
    if ('users' in to) return to.users;
    return 'group' in to ? (this.groups.get(to.group) ?? []) : null;
  }

  #count(user: string): number {
    return this.published.filter((one) => this.#usersOf(one.to)?.includes(user) ?? true).length;
  }
}

function isList(to: To): to is readonly string[] {
  return Array.isArray(to);
}
