/** The same alerts in a toaster that the application has already. */

import type { Presentation } from '@belfry/client';
import { Bell, useEventBus, useRealtimeAlerts } from '@belfry/react';
import type { ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { Toaster, toast } from 'sonner';
import { pathOf, summary } from './deals.js';
import { SessionProvider, usePerson, useSession } from './session.js';
import { SignIn } from './sign-in.js';
import './style.css';

function Page(): ReactNode {
  const { person } = useSession();
  if (person === undefined) return null;
  return person === null ? <SignIn /> : <Alerts />;
}

function Alerts(): ReactNode {
  const { locale } = usePerson();
  const { unread } = useRealtimeAlerts({ toast: present });
  // The line that was there before, and one word more: it runs in one tab, for alerts that are to be shown.
  useEventBus(
    'notification:deal',
    ({ deals, message }) =>
      toast.success(message, {
        description: summary(deals, locale),
        action: { label: 'See', onClick: () => location.assign(pathOf(deals)) },
      }),
    { present: true },
  );
  return (
    <>
      <header className="bar">
        <a className="brand" href="/deals">
          Flyer deals
        </a>
        <div className="tools">
          <Bell />
        </div>
      </header>
      <main>
        <h1>With sonner</h1>
        <p>
          Deals, announcements and finished jobs are shown by sonner here, in one tab only. Unread: {unread}. In the{' '}
          <a href="/office">office</a> the next flyer is waiting.
        </p>
      </main>
      <Toaster closeButton theme="system" />
    </>
  );
}

/** Everything but deals. What is read elsewhere goes away here. */
function present({ alert, summary: missed, dismissed, opened, signal }: Presentation): void {
  const title = alert?.title ?? `${missed?.count ?? 0} alerts while you were away`;
  const id = toast(title, {
    ...(alert?.body && { description: alert.body }),
    ...(alert?.link && { action: { label: 'Open', onClick: opened } }),
    onDismiss: () => dismissed('user'),
    onAutoClose: () => dismissed('timeout'),
  });
  signal.addEventListener('abort', () => toast.dismiss(id), { once: true });
}

const root = document.querySelector('#root');
if (root !== null) {
  createRoot(root).render(
    <SessionProvider>
      <Page />
    </SessionProvider>,
  );
}
