/** Notifications of the system, shown through the page's registration so that a later push replaces them. */

import { attempt, type Browser } from '../browser.js';
import type { AnyAlert } from '../types.js';
import type { NotificationData } from '../worker.js';

export interface System {
  /** `false`: not allowed here, or nobody could take the click. */
  show(alert: AnyAlert, user: string | null): Promise<boolean>;
  /** Whoever showed it, a tab or a push: it is not needed any more. */
  close(id: string): void;
}

/** Asks for nothing: it is there where somebody allowed it before. */
export function createSystem(browser: Pick<Browser, 'base'>): System {
  const over = new Set<string>();
  const registration = async (): Promise<ServiceWorkerRegistration | undefined> => {
    if (attempt(() => Notification.permission) !== 'granted') return undefined;
    const { serviceWorker } = navigator;
    const own = serviceWorker.getRegistration(new URL('sdk/', browser.base).href).catch(() => undefined);
    return (await own) ?? serviceWorker.getRegistration();
  };
  const sweep = async (): Promise<void> => {
    const shown = (await (await registration())?.getNotifications()) ?? [];
    for (const notification of shown) if (over.has(notification.tag)) notification.close();
    over.clear();
  };
  return {
    async show(alert, user) {
      try {
        const at = await registration();
        const data: NotificationData = { belfry: alert.id, url: alert.link, ...(user === null ? {} : { user }) };
        await at?.showNotification(alert.title, { body: alert.body ?? '', tag: alert.id, data });
        return !!at;
      } catch {
        return false;
      }
    },
    close(id) {
      // One look for all that a single frame changed.
      if (!over.size)
        void Promise.resolve()
          .then(sweep)
          .catch(() => over.clear());
      over.add(id);
    },
  };
}
