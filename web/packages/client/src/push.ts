/**
 * Pushes to this browser. Loaded when somebody asks for it, and at the start of whoever has allowed notifications: see
 * `PushHost` for what the client brings.
 */

import type { DeviceBody, WebPushKey } from '@belfry/protocol';
import { type PushOwner, readOwner, writeOwner } from './push/owner.js';
import type { PushState, Readable } from './types.js';

/** What pushing needs of the client. */
export interface PushHost {
  /** Who is signed in; `null`: nobody, or not known yet. */
  user(): string | null;
  /** Where the server is, with its path and without a slash at the end. */
  base(): string;
  now(): number;
  /** A call to the server as this user; rejects with a `BelfryError`. */
  request(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  /** Makes a `BelfryError` of the code `push-failed`. */
  failed(cause: unknown): Error;
  report(error: unknown): void;
  /** Somebody clicked a notification of this alert: follow its link here. */
  open(id: string, url: string | null): void;
  /** The application's own service worker, which calls `installPush`. Missing: the server's, with a scope of its own. */
  worker?: () => Promise<ServiceWorkerRegistration>;
}

/** The part of the client that subscribes this browser. */
export interface Push {
  readonly state: Readable<PushState>;
  /** Once the user is known, and again whenever it changes: registers anew for the one who enabled it. */
  start(): Promise<void>;
  enable(): Promise<PushState>;
  disable(): Promise<void>;
  /** At logout, with the user who leaves: no push for them reaches this browser, even where the server is out of reach. */
  signOut(user: string): Promise<void>;
  dispose(): void;
}

/** Tabs and reloads need not all tell the server what it knows. */
const TELL_AGAIN_MS = 3_600_000;

/** Subscribes this browser, and keeps the server informed. */
export function createPush(host: PushHost): Push {
  const state = changing<PushState>('unknown');
  const container = supported() ? navigator.serviceWorker : null;
  const listener = (event: MessageEvent): void => opened(host, event);
  container?.addEventListener('message', listener);
  container?.startMessages();

  const registration = async (): Promise<ServiceWorkerRegistration> => {
    if (host.worker) return host.worker();
    const folder = `${host.base()}/sdk/`;
    return active(await navigator.serviceWorker.register(`${folder}sw.js`, { scope: folder }));
  };

  /** Makes sure that there is a subscription with the server's key, and that the server knows it. */
  const subscribe = async (user: string, known: PushOwner | null): Promise<void> => {
    const { pushManager } = await registration();
    let subscription = await pushManager.getSubscription();
    const told = known?.user === user && known.base === host.base() ? known : null;
    if (told && subscription?.endpoint === told.endpoint) {
      state.set('on');
      if (host.now() - told.toldAt < TELL_AGAIN_MS) return;
    }
    const { key, id: keyId } = (await host.request('GET', '/v1/web-push/key')) as WebPushKey;
    // What is on its way to somebody else, or was made with another key, ends with its subscription.
    if (subscription && !(told && madeWith(subscription, key))) {
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint } = subscription;
    const device = told?.device ?? newDevice();
    // Known before the server is told: the first push may come before its answer.
    const owner = { user, device, base: host.base(), key, keyId, endpoint, toldAt: 0 };
    await writeOwner(owner);
    const keys = subscription.toJSON().keys as Extract<DeviceBody, { provider: 'webpush' }>['keys'];
    const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const body: DeviceBody = {
      provider: 'webpush',
      endpoint,
      keys,
      vapid_key_id: keyId,
      locale: navigator.language,
      time_zone,
    };
    await host.request('PUT', `/v1/devices/${device}`, body);
    await writeOwner({ ...owner, toldAt: host.now() });
    state.set('on');
  };

  const unsubscribe = async (owner: PushOwner | null): Promise<void> => {
    const scope = `${owner?.base ?? host.base()}/sdk/`;
    const found = host.worker ? await host.worker() : await navigator.serviceWorker.getRegistration(scope);
    await (await found?.pushManager.getSubscription())?.unsubscribe();
    await writeOwner(null);
  };

  const settle = (): Promise<void> =>
    alone(async () => {
      const [user, owner] = [host.user(), await readOwner()];
      const at = here();
      if (at !== 'off' || !owner || !user) return state.set(at);
      if (owner.user !== user) return state.set('other-user');
      // Permission was taken back and asked for anew: only a click subscribes again.
      if (Notification.permission !== 'granted') return state.set('off');
      await subscribe(user, owner);
    });

  return {
    state,
    start: () => settle().catch((error) => host.report(host.failed(error))),
    async enable() {
      const [user, at] = [host.user(), here()];
      if (at !== 'off' || !user) {
        state.set(at);
        return at;
      }
      // First of all: browsers ask only within moments of the click.
      const permission = await Notification.requestPermission();
      if (permission !== 'granted') {
        state.set(here());
        return here();
      }
      try {
        await alone(async () => {
          const owner = await readOwner();
          await subscribe(user, owner && { ...owner, toldAt: 0 });
        });
      } catch (error) {
        state.set('off');
        throw host.failed(error);
      }
      return 'on';
    },
    async disable() {
      if (!supported()) return;
      await alone(async () => {
        const owner = await readOwner();
        await unsubscribe(owner);
        state.set(here());
        // A subscription that is gone answers so to the server: nothing is lost where it does not hear of it now.
        if (owner && owner.user === host.user()) await forget(host, owner);
      });
    },
    async signOut(user) {
      if (!supported()) return;
      await alone(async () => {
        const owner = await readOwner();
        if (owner?.user !== user) return;
        await unsubscribe(owner);
        state.set('unknown');
      });
    },
    dispose: () => container?.removeEventListener('message', listener),
  };
}

/** What is true of this browser, whoever is signed in. */
function here(): PushState {
  if (supported()) return Notification.permission === 'denied' ? 'denied' : 'off';
  // On iPhones and iPads only what stands on the home screen can be pushed to.
  return 'standalone' in navigator && !navigator.standalone ? 'needs-install' : 'unsupported';
}

function supported(): boolean {
  try {
    return 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis && !!indexedDB;
  } catch {
    return false;
  }
}

/** One tab at a time: two would end each other's subscription. */
function alone(run: () => Promise<void>): Promise<void> {
  return navigator.locks ? navigator.locks.request('belfry-push', run) : run();
}

/** A subscription can be made only once the worker is active. */
function active(registration: ServiceWorkerRegistration): Promise<ServiceWorkerRegistration> {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return Promise.resolve(registration);
  return new Promise((resolve, reject) => {
    worker.onstatechange = () => {
      if (worker.state === 'activated') resolve(registration);
      else if (worker.state === 'redundant') reject(new Error('the service worker did not start'));
    };
  });
}

function madeWith(subscription: PushSubscription, key: string): boolean {
  const made = subscription.options.applicationServerKey;
  return !!made && base64url(new Uint8Array(made)) === key;
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (char) => ({ '+': '-', '/': '_' })[char] ?? '');
}

function newDevice(): string {
  return `web-${base64url(crypto.getRandomValues(new Uint8Array(12)))}`;
}

async function forget(host: PushHost, owner: PushOwner): Promise<void> {
  try {
    await host.request('DELETE', `/v1/devices/${owner.device}`);
  } catch (error) {
    host.report(error);
  }
}

/** The worker asks this tab to follow a notification's link; its answer says that somebody did. */
function opened(host: PushHost, event: MessageEvent): void {
  const { belfry, id, url } = Object(event.data) as { belfry?: unknown; id?: unknown; url?: unknown };
  if (belfry !== 'open' || typeof id !== 'string') return;
  event.ports[0]?.postMessage(true);
  host.open(id, typeof url === 'string' ? url : null);
}

function changing<T>(value: T): Readable<T> & { set(next: T): void } {
  const listeners = new Set<(value: T) => void>();
  let current = value;
  return {
    get: () => current,
    set(next) {
      if (next === current) return;
      current = next;
      for (const listener of [...listeners]) listener(next);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
