/** An application on React in strict mode, which mounts everything twice. `user` as in `app.ts`. */

import type { Presentation } from '@belfry/client';
import { BelfryProvider, Bell, ConnectionIndicator, useEventBus, useRealtimeAlerts, useWebSocket } from '@belfry/react';
import { type ReactNode, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

declare global {
  interface Window {
    toasted: string[];
    heard: unknown[];
  }
}

window.toasted = [];
window.heard = [];
const toast = ({ alert }: Presentation): void => void window.toasted.push(alert?.title ?? '');

function Shop(): ReactNode {
  const { alerts, unread, markRead } = useRealtimeAlerts({ toast });
  const { isConnected } = useWebSocket({ autoConnect: true });
  useEventBus('notification:deal', (data: object) => void window.heard.push(data));
  return (
    <>
      <p id="status">{isConnected ? 'connected' : 'not connected'}</p>
      <p id="unread">{unread}</p>
      <ul>
        {alerts.map((alert) => (
          <li key={alert.id}>
            <button type="button" onClick={() => void markRead(alert)}>
              {alert.title}
            </button>
          </li>
        ))}
      </ul>
      <Bell />
      <ConnectionIndicator />
    </>
  );
}

function Page(): ReactNode {
  const [isOpen, open] = useState(true);
  return (
    <>
      <button type="button" id="toggle" onClick={() => open(!isOpen)}>
        Toggle
      </button>
      {isOpen && <Shop />}
    </>
  );
}

const main = document.querySelector('main');
if (main) {
  createRoot(main).render(
    <StrictMode>
      <BelfryProvider user={new URLSearchParams(location.search).get('user') ?? undefined}>
        <Page />
      </BelfryProvider>
    </StrictMode>,
  );
}
