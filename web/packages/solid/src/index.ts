/** Belfry for Solid 1.9: primitives and components. What they do is done by the client; here it becomes signals. */

export type { UseWebSocketOptions } from '@belfry/client/bindings';
export { type RealtimeAlerts, type RealtimeAlertsOptions, useRealtimeAlerts } from './alerts.js';
export { type EventBusOptions, useEventBus } from './bus.js';
export {
  Announcement,
  type AnnouncementProps,
  Bell,
  ConnectionIndicator,
  DoNotDisturbSwitch,
  type ElementComponent,
  type ElementEvents,
  type ElementProps,
  Inbox,
  type InboxProps,
  Preferences,
  type PreferencesProps,
  PushPrompt,
  type PushPromptProps,
  SoundSwitch,
  Toasts,
  type ToastsProps,
} from './components.js';
export { BelfryProvider, type BelfryProviderProps, useBelfry } from './provider.js';
export {
  type DoNotDisturbControls,
  type PreferencesControls,
  type PushControls,
  type SoundControls,
  useDoNotDisturb,
  usePreferences,
  usePush,
  useSound,
} from './settings.js';
export { type MaybeAccessor, useConnection, useUnread } from './status.js';
export { useWebSocket, type WebSocketControls } from './websocket.js';
