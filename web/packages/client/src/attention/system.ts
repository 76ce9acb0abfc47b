/** Notifications of the system, shown through the page's registration so that a later push replaces them. */

import type { Browser } from '../browser.js';
import type { AnyAlert } from '../types.js';
import type { NotificationData } from '../worker.js';

const registration = async ({ base }: Pick<Browser, 'base'>): Promise<ServiceWorkerRegistration | undefined> => {
  const { serviceWorker } = navigator;
  const own = serviceWorker.getRegistration(new URL('sdk/', base).href).catch(() => undefined);
  return (await own) ?? serviceWorker.getRegistration();
};

/** `false`: there is nobody here who could show it and take the click. */
export async function notify(browser: Pick<Browser, 'base'>, alert: AnyAlert, user: string | null): Promise<boolean> {
  const shower = await registration(browser);
  const data: NotificationData = { belfry: alert.id, url: alert.link, ...(user === null ? {} : { user }) };
  await shower?.showNotification(alert.title, { body: alert.body ?? '', tag: alert.id, data });
  return !!shower;
}

/** Closes what nobody needs any more, whoever showed it: a tab or a push. */
export async function unnotify(browser: Pick<Browser, 'base'>, ids: ReadonlySet<string>): Promise<void> {
  for (const notification of (await (await registration(browser))?.getNotifications()) ?? []) {
    if (ids.has(notification.tag)) notification.close();
  }
}
