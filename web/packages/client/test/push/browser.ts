/** As much of a browser's push machinery as the client touches. */

import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { vi } from 'vitest';

/** One subscription of a fake browser. */
export class FakeSubscription {
  readonly endpoint: string;
  ended = false;

  constructor(
    readonly key: string,
    number: number,
  ) {
    this.endpoint = `https://push.example.net/${number}`;
  }

  toJSON(): { endpoint: string; keys: { p256dh: string; auth: string } } {
    return { endpoint: this.endpoint, keys: { p256dh: `p-${this.endpoint}`, auth: 'a' } };
  }

  async unsubscribe(): Promise<boolean> {
    this.ended = true;
    return true;
  }
}

/** A notification on the fake screen. */
export class FakeNotification {
  closed = false;

  constructor(
    readonly title: string,
    readonly options: { tag?: string; data?: unknown; [option: string]: unknown },
  ) {}

  get data(): unknown {
    return this.options.data;
  }

  close(): void {
    this.closed = true;
  }
}

/** A service worker's registration. */
export class FakeRegistration {
  readonly scope = 'https://shop.example/sdk/';
  active: object | null = {};
  installing: { state: string; onstatechange: (() => void) | null } | null = null;
  waiting = null;
  readonly made: FakeSubscription[] = [];
  readonly shown: FakeNotification[] = [];
  readonly pushManager = {
    getSubscription: async (): Promise<FakeSubscription | null> => this.current,
    subscribe: async ({ applicationServerKey: key }: { applicationServerKey: string }): Promise<FakeSubscription> => {
      if (!this.active) throw new Error('no active service worker');
      const subscription = new FakeSubscription(key, this.made.length + 1);
      this.made.push(subscription);
      return subscription;
    },
  };

  get current(): FakeSubscription | null {
    return this.made.findLast(({ ended }) => !ended) ?? null;
  }

  async showNotification(title: string, options: FakeNotification['options']): Promise<void> {
    for (const old of this.shown) if (options.tag && old.options.tag === options.tag) old.close();
    this.shown.push(new FakeNotification(title, options));
  }

  async getNotifications({ tag }: { tag: string }): Promise<FakeNotification[]> {
    return this.shown.filter(({ closed, options }) => !closed && options.tag === tag);
  }

  /** What stands on the screen. */
  get visible(): string[] {
    return this.shown.filter(({ closed }) => !closed).map(({ title }) => title);
  }
}

/** Puts the globals of a browser that can be pushed to in place. */
export function fakeBrowser(permission: NotificationPermission = 'default'): {
  registration: FakeRegistration;
  container: EventTarget & { register: ReturnType<typeof vi.fn> };
  answer: NotificationPermission;
} {
  const registration = new FakeRegistration();
  const container = Object.assign(new EventTarget(), { register: vi.fn(async () => registration) });
  const world = { registration, container, answer: 'granted' as NotificationPermission };
  const notification = {
    permission,
    requestPermission: async () => {
      notification.permission = world.answer;
      return world.answer;
    },
  };
  let held: Promise<unknown> = Promise.resolve();
  const locks = {
    request: (_: string, run: () => Promise<unknown>): Promise<unknown> => {
      const turn = held.catch(() => {}).then(run);
      held = turn;
      return turn;
    },
  };
  vi.stubGlobal('Notification', notification);
  vi.stubGlobal('PushManager', class {});
  vi.stubGlobal('indexedDB', new IDBFactory());
  vi.stubGlobal('navigator', { serviceWorker: container, locks, language: 'en-GB' });
  return world;
}
