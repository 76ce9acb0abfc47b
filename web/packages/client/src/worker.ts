/**
 * The service worker's half of pushes: shows what the server sends, unless a tab has shown it, and leads clicks to an
 * open tab. The server's own worker is this and nothing else; an application with a worker of its own calls
 * `installPush(self)` in it.
 */

import type { ReceiptBody, ReceiptLevel } from '@belfry/protocol';
import { claim as claimAlert } from './attention/claims.js';
import { forgetOwner, readOwner, writeOwner } from './push/owner.js';

/** What a push holds: a declarative push, and what this worker needs. */
interface Push {
  readonly notification: {
    readonly title: string;
    readonly navigate?: string;
    readonly actions?: readonly { readonly action: string; readonly title: string; readonly navigate?: string }[];
    readonly [option: string]: unknown;
  };
  readonly app_badge?: number;
  readonly belfry: { readonly id: string; readonly user: string; readonly receipt?: string };
}

/** What a notification carries until it is clicked. Tabs that show one through the registration write the same. */
export interface NotificationData {
  /** The alert's id. */
  readonly belfry: string;
  readonly user?: string;
  readonly url: string | null;
  /** Where each button leads. */
  readonly links?: Readonly<Record<string, string>>;
  readonly receipt?: string;
}

interface Button {
  readonly action: string;
  readonly title: string;
}

/** As much of a window as is needed here. */
export interface WorkerWindow {
  readonly visibilityState: DocumentVisibilityState;
  readonly focused: boolean;
  focus(): Promise<unknown>;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/** An event that keeps the worker alive. */
export interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

/** As much of `ServiceWorkerGlobalScope` as is needed here. */
export interface PushWorkerScope {
  readonly registration: ServiceWorkerRegistration;
  readonly navigator: { readonly userAgent: string; setAppBadge?(count: number): Promise<void> };
  readonly clients: {
    matchAll(options: { type: 'window'; includeUncontrolled: true }): Promise<readonly WorkerWindow[]>;
    openWindow(url: string): Promise<unknown>;
  };
  addEventListener(type: string, listener: (event: never) => void): void;
}

/** How it is set up. */
export interface PushWorkerOptions {
  /** Claims an alert, so that it is shown once. Default: the store that the tabs use as well. */
  claim?: (id: string) => Promise<boolean>;
  /** The title for somebody else's push, which must not be shown. Default: `You have a new notification`. */
  hiddenTitle?: string;
}

type PushEvent = WorkerEvent & { readonly data: { json(): unknown } | null };
type ClickEvent = WorkerEvent & { readonly action: string; readonly notification: Notification };
type ChangeEvent = WorkerEvent & { readonly newSubscription?: PushSubscription | null };

/** How long a tab may take to say that it follows a link. Browsers soon forget that there was a click. */
const ANSWER_MS = 300;
/** WebKit wants to see a notification for every push; this long it stands where a tab has shown the alert. */
const WEBKIT_SHOWS_MS = 1_000;

/** Handles pushes, clicks and changed subscriptions. Pushes and notifications of others are left alone. */
export function installPush(scope: PushWorkerScope, options: PushWorkerOptions = {}): void {
  const on = <E extends WorkerEvent>(type: string, handle: (event: E) => Promise<unknown> | undefined): void =>
    scope.addEventListener(type, (event: E) => {
      const work = handle(event);
      if (work) event.waitUntil(work);
    });
  on<PushEvent>('push', ({ data }) => {
    const push = read(data);
    return push && pushed(scope, push, options);
  });
  on<ClickEvent>('notificationclick', ({ action, notification }) => {
    const data = notification.data as NotificationData | null;
    if (typeof data?.belfry !== 'string') return undefined;
    notification.close();
    return clicked(scope, data, data.links?.[action] ?? data.url);
  });
  on<ChangeEvent>('pushsubscriptionchange', ({ newSubscription }) => changed(scope, newSubscription));
}

function read(data: PushEvent['data']): Push | undefined {
  try {
    const push = data?.json() as Partial<Push> | undefined;
    return push?.belfry?.id && push.notification ? (push as Push) : undefined;
  } catch {
    return undefined;
  }
}

async function pushed(scope: PushWorkerScope, push: Push, options: PushWorkerOptions): Promise<void> {
  const { registration } = scope;
  const { id, user, receipt } = push.belfry;
  const owner = await readOwner().catch(() => null);
  if (owner?.user !== user) {
    // Something has to be shown: a browser takes the permission from workers that show nothing.
    await registration.showNotification(options.hiddenTitle ?? 'You have a new notification', { tag: 'belfry' });
    if (owner === null) return;
    await (await registration.pushManager.getSubscription())?.unsubscribe();
    await forgetOwner();
    return;
  }
  const claimed = await (options.claim ?? ((id) => claimAlert(id, Date.now())))(id).catch(() => true);
  const shownByTab = !claimed && (await windows(scope)).some(({ visibilityState }) => visibilityState === 'visible');
  const webkit = /AppleWebKit/.test(scope.navigator.userAgent) && !/Chrom|Edg/.test(scope.navigator.userAgent);
  if (push.app_badge !== undefined) await scope.navigator.setAppBadge?.(push.app_badge).catch(() => {});
  if (shownByTab && !webkit) return report(receipt, 'received');
  await registration.showNotification(push.notification.title, shown(push));
  if (shownByTab) {
    await new Promise((resolve) => setTimeout(resolve, WEBKIT_SHOWS_MS));
    for (const notification of await registration.getNotifications({ tag: id })) notification.close();
  }
  await report(receipt, 'displayed');
}

/** The options of the notification. Its tag is the alert's id, so that a tab's own notification of it is replaced. */
function shown({ notification, belfry: { id, user, receipt } }: Push): NotificationOptions {
  const { title: _, navigate, actions = [], data: __, ...options } = notification;
  const links = actions.flatMap(({ action, navigate }) => (navigate ? [[action, navigate] as const] : []));
  const data: NotificationData = {
    belfry: id,
    user,
    url: navigate ?? null,
    links: Object.fromEntries(links),
    ...(receipt ? { receipt } : {}),
  };
  const buttons: readonly Button[] = actions.map(({ action, title }) => ({ action, title }));
  return { ...options, tag: id, data, actions: buttons } as NotificationOptions;
}

/** Leads to an open tab of this user, else to a new one. The receipt says on every device that it was opened. */
async function clicked(scope: PushWorkerScope, data: NotificationData, url: string | null): Promise<void> {
  const reported = report(data.receipt, 'acted');
  const found = await windows(scope);
  const ours = await Promise.all(found.map((window) => isOurs(window, data.user)));
  const [tab] = found.filter((_, at) => ours[at]).sort((a, b) => rank(b) - rank(a));
  if (tab) {
    tab.postMessage({ belfry: 'open', id: data.belfry, url });
    await tab.focus().catch(() => {});
  } else {
    await scope.clients.openWindow(url ?? new URL('/', scope.registration.scope).href);
  }
  await reported;
}

const windows = (scope: PushWorkerScope): Promise<readonly WorkerWindow[]> =>
  scope.clients.matchAll({ type: 'window', includeUncontrolled: true });

const rank = ({ focused, visibilityState }: WorkerWindow): number =>
  Number(focused) + Number(visibilityState === 'visible');

/** Whether the client runs in this window, for this user: other pages of the origin would not follow the link. */
function isOurs(window: WorkerWindow, user: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const answered = (is: boolean): void => {
      port1.close();
      resolve(is);
    };
    port1.onmessage = () => answered(true);
    setTimeout(answered, ANSWER_MS, false);
    window.postMessage({ belfry: 'ask', user }, [port2]);
  });
}

/** The browser replaced the subscription. With a cookie the server hears of it now, else from the next page. */
async function changed(scope: PushWorkerScope, replaced: PushSubscription | null | undefined): Promise<void> {
  const owner = await readOwner();
  if (!owner) return;
  const subscription =
    replaced ??
    (await scope.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: owner.key }));
  const { endpoint } = subscription;
  await writeOwner({ ...owner, endpoint, toldAt: 0 });
  const { keys } = subscription.toJSON();
  const body = { provider: 'webpush', endpoint, keys, vapid_key_id: owner.keyId };
  const answer = await send('PUT', `${owner.base}/v1/devices/${owner.device}`, body, 'include');
  if (answer?.ok) await writeOwner({ ...owner, endpoint, toldAt: Date.now() });
}

async function report(receipt: string | undefined, level: ReceiptLevel): Promise<void> {
  if (receipt) await send('POST', receipt, { level } satisfies ReceiptBody, 'omit');
}

/** Out of reach is no fault: the notification stands in any case. */
function send(method: string, url: string, body: unknown, credentials: RequestCredentials): Promise<Response | null> {
  const headers = { 'content-type': 'application/json' };
  return fetch(url, { method, headers, body: JSON.stringify(body), credentials }).catch(() => null);
}
