/** The test client at work: rows, listeners, holds. */

import type {
  Alert,
  AnyAlert,
  BelfryError,
  Client,
  Clock,
  Connection,
  ConnectionState,
  DoNotDisturb,
  Filter,
  Kind,
  Kinds,
  List,
  On,
  Presentation,
  PushState,
  Release,
  Target,
  Unsubscribe,
  WebSocketMessage,
} from '@belfry/client';
import type { Preferences } from '@belfry/protocol';
import { alertId, asAny, testAlert, testError } from './alert.js';
import { type Call, CallLog, type FailingCall } from './test-calls.js';
import type { ReceiveOverrides, TestClient, TestClientInit } from './test-client.js';
import { idsOf, TestInbox } from './test-inbox.js';
import { type Presented, TestPresenter } from './test-presenter.js';
import { preferencesOf, pushOf } from './test-settings.js';
import { connectionOf, messageOf, usualEvents } from './test-shapes.js';
import { Value } from './value.js';

interface Listener {
  readonly name: string | null;
  readonly options: On;
  readonly tell: (alert: AnyAlert) => void;
}

const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** What `createTestClient` gives. */
export class InMemoryClient implements TestClient {
  readonly connection: Value<Connection>;
  readonly doNotDisturb: Value<DoNotDisturb>;
  readonly sound: Value<{ readonly enabled: boolean; readonly blocked: boolean }>;
  readonly user: Value<string | null>;
  readonly preferences: Client['preferences'];
  readonly push: Client['push'];
  readonly #preferences: Value<Preferences | null>;
  readonly #push: Value<PushState>;
  readonly #inbox: TestInbox;
  readonly #presenter: TestPresenter;
  readonly #log = new CallLog();
  readonly #listeners = new Set<Listener>();
  readonly #messageListeners = new Set<(message: WebSocketMessage) => void>();
  readonly #init: TestClientInit;
  readonly #clock: Clock;
  #holds = new Set<object>();
  #connected: object | null = null;
  #manual: boolean;
  #duringQuiet = 0;

  constructor(init: TestClientInit) {
    this.#init = init;
    this.#clock = init.clock ?? systemClock;
    this.user = new Value<string | null>(init.user === undefined ? 'ann' : init.user);
    this.#manual = init.connection !== undefined;
    this.connection = new Value(connectionOf(init.connection ?? 'idle', this.#clock.now()));
    this.doNotDisturb = new Value<DoNotDisturb>({ ...awake, ...init.doNotDisturb });
    this.sound = new Value({ enabled: true, blocked: false, ...init.sound });
    this.#inbox = new TestInbox(init.alerts ?? [], init.older ?? [], init.unread);
    this.#presenter = new TestPresenter({
      clock: this.#clock,
      sound: () => this.sound.get().enabled && !this.sound.get().blocked,
      open: (alert) => this.open(alert),
      report: (error) => this.#report(error),
    });
    this.#preferences = new Value<Preferences | null>(init.preferences ?? null);
    this.#push = new Value<PushState>(init.push ?? 'off');
    this.preferences = preferencesOf(this.#preferences, this.#log);
    this.push = pushOf(this.#push, this.#log, init.pushAnswer ?? 'on');
  }

  get alerts(): Client['alerts'] {
    return this.#inbox.alerts;
  }
  get unread(): Client['unread'] {
    return this.#inbox.unread;
  }
  get presented(): readonly Presented[] {
    return this.#presenter.presented;
  }
  get calls(): readonly Call[] {
    return this.#log.calls;
  }
  get holds(): number {
    return this.#holds.size;
  }
  get leaks(): TestClient['leaks'] {
    const values = [this.connection, this.doNotDisturb, this.sound, this.user, this.#preferences, this.#push];
    const subscribed = [...values, this.#inbox.alerts, this.#inbox.unread].reduce((sum, one) => sum + one.listeners, 0);
    return {
      listeners: subscribed + this.#listeners.size + this.#messageListeners.size,
      presenters: this.#presenter.presenters,
      lists: this.#inbox.openLists,
    };
  }

  // What a test does.

  receive<K extends Kind>(kind: K, data: Kinds[K], overrides: ReceiveOverrides<K> = {}): Alert<K> {
    const { arrival = 'live', breaksThrough = false, ...rest } = overrides;
    const stream = rest.stream ?? 'user';
    const seq = rest.seq ?? this.#inbox.nextSeq(stream);
    const quiet = rest.quiet ?? (this.doNotDisturb.get().active && !breaksThrough);
    const createdAt = rest.createdAt ?? new Date(this.#clock.now()).toISOString();
    const alert = testAlert(kind, data, { id: alertId(stream, seq), ...rest, stream, seq, quiet, createdAt });
    const any = asAny(alert);
    this.#inbox.add(any);
    this.receiveMessage(messageOf(any, this.unread.get()));
    for (const listener of [...this.#listeners]) {
      if (arrival === 'catch-up' && listener.options.replay === undefined) continue;
      if (listener.name === kind || listener.name === this.#eventOf(kind)) this.#guard(() => listener.tell(any));
    }
    this.#attend(any, breaksThrough);
    return alert;
  }

  receiveMessage(message: WebSocketMessage): void {
    for (const listener of [...this.#messageListeners]) this.#guard(() => listener(message));
  }

  changeElsewhere(target: Target, state: Partial<Alert['state']>): void {
    this.#change(idsOf(target), state);
  }

  leave(id: string): void {
    this.#inbox.remove(id);
    this.#presenter.end(id);
  }

  summarize(count: number, reason: 'away' | 'do-not-disturb'): void {
    this.#presenter.present(null, { count, reason });
  }

  setConnection(change: ConnectionState | Partial<Connection>): void {
    this.#manual = true;
    this.connection.set(connectionOf(change, this.#clock.now(), this.connection.get()));
  }

  setUnread(unread: number): void {
    this.#inbox.setUnread(unread);
  }

  setSoundBlocked(blocked: boolean): void {
    this.sound.set({ ...this.sound.get(), blocked });
  }

  setPushState(state: PushState): void {
    this.#push.set(state);
  }

  setListStatus(status: 'loading' | 'ready' | 'error', error?: BelfryError): void {
    this.#inbox.setStatus(status, error ?? (status === 'error' ? testError('request-failed') : null));
  }

  failNext(method: FailingCall, error: BelfryError = testError('request-failed')): void {
    this.#log.failNext(method, error);
  }

  // What an application does.

  now(): number {
    return this.#clock.now();
  }

  hold(): Release {
    this.#log.record({ method: 'hold', args: [] });
    const hold = this.#addHold();
    return () => {
      if (!this.#holds.has(hold)) return;
      this.#log.record({ method: 'release', args: [] });
      this.#removeHold(hold);
    };
  }

  connect(): void {
    this.#log.record({ method: 'connect', args: [] });
    this.#connected ??= this.#addHold();
  }

  disconnect(): void {
    this.#log.record({ method: 'disconnect', args: [] });
    this.#holds.clear();
    this.#connected = null;
    this.connection.set(connectionOf('idle', this.#clock.now()));
  }

  async identify(user: string | null): Promise<void> {
    this.#log.record({ method: 'identify', args: [user] });
    this.#log.mayFail('identify');
    if (user === this.user.get()) return;
    this.#inbox.clear();
    this.#presenter.endAll();
    this.user.set(user);
    if (user === null) this.connection.set(connectionOf('idle', this.#clock.now()));
    else this.#follow();
  }

  retryNow(): void {
    this.#log.record({ method: 'retryNow', args: [] });
  }

  dispose(): void {
    this.#log.record({ method: 'dispose', args: [] });
    this.#listeners.clear();
    this.#messageListeners.clear();
    this.#presenter.endAll();
    this.#holds.clear();
    this.connection.set(connectionOf('idle', this.#clock.now()));
  }

  onMessage(listener: (message: WebSocketMessage) => void, options: On = {}): Unsubscribe {
    const entry = (message: WebSocketMessage): void => listener(message);
    return listen(this.#messageListeners, entry, options.signal);
  }

  on(
    name: string,
    listener: ((alert: never) => void) | ((data: never, alert: AnyAlert) => void),
    options: On = {},
  ): Unsubscribe {
    const call = listener as (first: unknown, alert: AnyAlert) => void;
    // A kind's listener gets the alert, an event's the data and then the alert.
    const tell = (alert: AnyAlert): void => call(name === alert.kind ? alert : alert.data, alert);
    const hears = (alert: AnyAlert): boolean => name === alert.kind || name === this.#eventOf(alert.kind);
    if (options.present === true) return this.#onPresent(tell, hears, options.signal);
    const unsubscribe = listen(this.#listeners, { name, options, tell }, options.signal);
    if (options.replay === 'all') {
      for (const alert of [...this.alerts.get()].reverse().filter(hears)) tell(alert);
    }
    return unsubscribe;
  }

  onPresent(present: (presentation: Presentation) => void | false | Promise<void>): Unsubscribe {
    return this.#presenter.register(present);
  }

  send(type: string, data: unknown): boolean {
    this.#log.record({ method: 'send', args: [type, data] });
    return this.connection.get().isConnected;
  }

  list(filter: Filter = {}): List {
    return this.#inbox.list(filter);
  }

  async loadMore(n?: number): Promise<{ done: boolean }> {
    this.#log.record({ method: 'loadMore', args: n === undefined ? [] : [n] });
    this.#log.mayFail('loadMore');
    return this.#inbox.loadMore(n);
  }

  async markSeen(target: Target): Promise<void> {
    this.#log.record({ method: 'markSeen', args: [target] });
    this.#log.mayFail('markSeen');
    this.#change(idsOf(target), { seen: true });
  }

  async markRead(target: Parameters<Client['markRead']>[0]): Promise<void> {
    this.#log.record({ method: 'markRead', args: [target] });
    this.#log.mayFail('markRead');
    this.#change(this.#readIds(target), { seen: true, read: true });
  }

  async markUnread(target: Target): Promise<void> {
    this.#log.record({ method: 'markUnread', args: [target] });
    this.#log.mayFail('markUnread');
    this.#change(idsOf(target), { read: false });
  }

  async archive(target: Target): Promise<void> {
    this.#log.record({ method: 'archive', args: [target] });
    this.#log.mayFail('archive');
    this.#change(idsOf(target), { archived: true });
  }

  async unarchive(target: Target): Promise<void> {
    this.#log.record({ method: 'unarchive', args: [target] });
    this.#log.mayFail('unarchive');
    this.#change(idsOf(target), { archived: false });
  }

  async markActed(id: string, action?: string): Promise<void> {
    this.#log.record({ method: 'markActed', args: action === undefined ? [id] : [id, action] });
    this.#log.mayFail('markActed');
    this.#change([id], { seen: true, read: true, acted: true });
    const link = this.#inbox.find(id)?.actions.find((one) => one.id === action)?.link;
    if (link !== undefined) this.#init.navigate?.(link);
  }

  open(alert: AnyAlert): void {
    this.#log.record({ method: 'open', args: [alert] });
    this.#change([alert.id], { seen: true, read: true });
    if (alert.link !== null) this.#init.navigate?.(alert.link);
  }

  async setDoNotDisturb(value: Parameters<Client['setDoNotDisturb']>[0]): Promise<void> {
    this.#log.record({ method: 'setDoNotDisturb', args: [value] });
    this.#log.mayFail('setDoNotDisturb');
    const now = this.doNotDisturb.get();
    if ('schedule' in value) {
      this.doNotDisturb.set({ ...now, schedule: value.schedule, timeZone: value.timeZone ?? now.timeZone });
      return;
    }
    const until = value.until === 'on' ? '9999-12-31T00:00:00Z' : value.until;
    if (until === 'off') this.doNotDisturb.set({ ...now, active: false, until: null });
    else
      this.doNotDisturb.set({ ...now, active: true, until: typeof until === 'string' ? until : until.toISOString() });
    if (until === 'off' && this.#duringQuiet > 0) this.summarize(this.#duringQuiet, 'do-not-disturb');
    this.#duringQuiet = 0;
  }

  setSound(on: boolean): void {
    this.#log.record({ method: 'setSound', args: [on] });
    this.sound.set({ ...this.sound.get(), enabled: on });
  }

  // How it does it.

  #attend(alert: AnyAlert, breaksThrough: boolean): void {
    if (alert.state.read) return;
    if (this.doNotDisturb.get().active && !breaksThrough) this.#duringQuiet += 1;
    else if (!alert.quiet) this.#presenter.present(alert);
  }

  #change(ids: readonly string[], state: Partial<Alert['state']>): void {
    for (const alert of this.#inbox.change(ids, state)) {
      if (alert.state.read || alert.state.archived) this.#presenter.end(alert.id);
    }
  }

  #readIds(target: Parameters<Client['markRead']>[0]): readonly string[] {
    if (typeof target !== 'object' || !('upTo' in target)) return idsOf(target);
    const everything = this.#inbox.everything();
    const upTo = target.upTo;
    // A cursor is opaque here: it can only have come from what the client had, so it means all of that.
    const from = typeof upTo === 'string' ? 0 : everything.findIndex((row) => row.id === upTo.id);
    return from < 0 ? [] : everything.slice(from).map((row) => row.id);
  }

  #eventOf(kind: string): string {
    return this.#init.events?.[kind] ?? usualEvents[kind] ?? `notification:${kind}`;
  }

  #onPresent(
    tell: (alert: AnyAlert) => void,
    takes: (alert: AnyAlert) => boolean,
    signal: AbortSignal | undefined,
  ): Unsubscribe {
    if (signal?.aborted === true) return () => {};
    const unregister = this.#presenter.register(({ alert }) => {
      if (alert !== null) tell(alert);
    }, takes);
    signal?.addEventListener('abort', unregister, { once: true });
    return unregister;
  }

  #addHold(): object {
    const hold = {};
    this.#holds.add(hold);
    this.#follow();
    return hold;
  }

  #removeHold(hold: object): void {
    this.#holds.delete(hold);
    this.#follow();
  }

  #follow(): void {
    if (this.#manual) return;
    const state = this.#holds.size > 0 && this.user.get() !== null ? 'live' : 'idle';
    if (this.connection.get().state !== state) this.connection.set(connectionOf(state, this.#clock.now()));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    const error = testError('handler-failed', { message, retryable: false, cause });
    // A handler that fails in a test is that test's business: nobody else is told.
    if (this.#init.onError === undefined) throw error;
    this.#init.onError(error);
  }
}

const awake: DoNotDisturb = { active: false, until: null, schedule: [], timeZone: null };

function listen<T>(set: Set<T>, entry: T, signal: AbortSignal | undefined): Unsubscribe {
  if (signal?.aborted === true) return () => {};
  set.add(entry);
  const unsubscribe = (): void => {
    set.delete(entry);
  };
  signal?.addEventListener('abort', unsubscribe, { once: true });
  return unsubscribe;
}
