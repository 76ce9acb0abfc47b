/**
 * Pushes to this browser. Loaded when somebody asks for it, and at the start of whoever has allowed notifications: see
 * `PushHost` for what the client brings.
 */

import type { DeviceBody, WebPushKey } from '@belfry/protocol';
import { asFailure } from './failure.js';
import { forgetOwner, type PushOwner, readOwner, writeOwner } from './push/owner.js';
import { writable } from './readable.js';
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
  const state = writable<PushState>('unknown', host.report);
  const container = supported() ? navigator.serviceWorker : null;
  const heard = (event: MessageEvent): void => opened(host, event);
  container?.addEventListener('message', heard);

  /** Makes sure that there is a subscription with the server's key, and that the server knows it. */
  const subscribe = async (user: string, known: PushOwner | undefined): Promise<void> => {
    const base = host.base();
    const { pushManager } = await registration(host);
    let subscription = await pushManager.getSubscription();
    const told = known?.user === user && known.base === base && known;
    if (told && told.endpoint === subscription?.endpoint) {
      state.set('on');
      if (host.now() - told.toldAt < TELL_AGAIN_MS) return;
    }
    const { key, id: keyId } = (await host.request('GET', '/v1/web-push/key')) as WebPushKey;
    // What is on its way to somebody else, or was made with another key, ends with its subscription.
    if (subscription && (!told || told.key !== key)) {
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint } = subscription;
    const device = told ? told.device : `web-${crypto.randomUUID()}`;
    const owner: PushOwner = { user, device, base, key, keyId, endpoint, toldAt: 0 };
    // Known here before the server is told: the first push may come before its answer.
    await writeOwner(owner);
    await host.request('PUT', `/v1/devices/${device}`, {
      provider: 'webpush',
      endpoint,
      keys: subscription.toJSON().keys,
      vapid_key_id: keyId,
      locale: navigator.language,
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    } as DeviceBody);
    await writeOwner({ ...owner, toldAt: host.now() });
    state.set('on');
  };

  const unsubscribe = async (owner: PushOwner | undefined): Promise<void> => {
    await (await (await registration(host, owner?.base)).pushManager.getSubscription())?.unsubscribe();
    await forgetOwner();
    state.set(here());
  };

  return {
    state,
    async start() {
      let next: PushState | null = here();
      try {
        await alone(async (owner) => {
          const user = host.user();
          // Where permission was taken back meanwhile, only a click subscribes again.
          if (!owner || !user || Notification.permission !== 'granted') return;
          next = owner.user === user ? null : 'other-user';
          if (!next) await subscribe(user, owner);
        });
      } catch (error) {
        host.report(error);
      }
      if (next) state.set(next);
    },
    async enable() {
      const user = host.user();
      // First of all: browsers ask only within moments of the click.
      if (here() === 'off' && user && (await Notification.requestPermission()) === 'granted') {
        try {
          await alone((owner) => subscribe(user, owner && { ...owner, toldAt: 0 }));
          return 'on';
        } catch (error) {
          state.set('off');
          throw asFailure(error, 'push-failed');
        }
      }
      state.set(here());
      return here();
    },
    disable: () =>
      alone(async (owner) => {
        await unsubscribe(owner);
        // A subscription that is gone answers so to the server: nothing is lost where it does not hear of it now.
        if (owner && owner.user === host.user()) {
          await host.request('DELETE', `/v1/devices/${owner.device}`).catch(host.report);
        }
      }),
    signOut: (user) =>
      alone(async (owner) => {
        if (owner?.user === user) await unsubscribe(owner);
      }),
    dispose: () => container?.removeEventListener('message', heard),
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
    return !!navigator.serviceWorker && 'PushManager' in globalThis && 'Notification' in globalThis && !!indexedDB;
  } catch {
    // In a frame that may store nothing, asking throws.
    return false;
  }
}

/** One tab at a time: two would end each other's subscription. Where there are pushes there are locks. */
async function alone(run: (owner: PushOwner | undefined) => Promise<void>): Promise<void> {
  if (supported()) await navigator.locks.request('belfry-push', async () => run(await readOwner()));
}

/** The worker's registration, once it is active: a subscription cannot be made earlier. */
async function registration(host: PushHost, base = host.base()): Promise<ServiceWorkerRegistration> {
  const scope = `${base}/sdk/`;
  const found = await (host.worker?.() ?? navigator.serviceWorker.register(`${scope}sw.js`, { scope }));
  const worker = found.active ? null : (found.installing ?? found.waiting);
  if (worker) {
    await new Promise<void>((resolve) => {
      // One that could not start resolves as well: subscribing then says why.
      worker.onstatechange = () => void (/activated|redundant/.test(worker.state) && resolve());
    });
  }
  return found;
}

/** The worker asks who is here, then one tab to follow a notification's link. */
function opened(host: PushHost, { data, ports }: MessageEvent): void {
  const user = host.user();
  if (data?.belfry === 'ask' && user === (data.user ?? user)) ports[0]?.postMessage(true);
  if (data?.belfry === 'open') host.open(data.id, data.url);
}
