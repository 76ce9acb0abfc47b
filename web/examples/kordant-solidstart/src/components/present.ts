/** Belfry's presentations as the application's own toasts. */

import type { Presentation } from '@belfry/client';
import { serviceOf } from '~/services';
import type { Toaster } from './toasts';

/** Alerts within five seconds that are shown one by one. */
const MOST_AT_ONCE = 3;

/** For `useRealtimeAlerts({ toast })`. Returning says that it is on screen, so no phone rings for it. */
export function presentIn(toaster: Toaster): (presentation: Presentation) => void {
  return (presentation) => {
    const { alert, summary, burst, signal, opened, dismissed } = presentation;
    if (alert === null || burst > MOST_AT_ONCE) {
      const away = summary?.reason === 'do-not-disturb' ? 'while it was quiet' : 'while you were away';
      const title = summary === null ? `${burst} alerts in a moment` : `${summary.count} alerts ${away}`;
      toaster.show({ title, tone: 'info', key: 'many', onDismiss: dismissed });
      return;
    }
    const icon = serviceOf(alert.kind)?.name;
    const close = toaster.show({
      title: alert.title,
      text: alert.body,
      tone: alert.severity,
      ...(icon === undefined ? {} : { icon }),
      onOpen: opened,
      onDismiss: dismissed,
    });
    // Read, archived or recalled anywhere: then it needs nobody's attention here.
    signal.addEventListener('abort', close, { once: true });
  };
}
