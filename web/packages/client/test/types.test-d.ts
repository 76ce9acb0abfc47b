/** Without declared kinds: any name with any object, and nothing is `never`. */

import { type AnyAlert, type Client, type Connection, createClient, type Kind, type Readable } from '@belfry/client';

/** Accepts a value of exactly this type. */
declare function exactly<T>(): <V>(value: V & ([T, V] extends [V, T] ? unknown : never)) => void;

const client: Client = createClient({ user: 'ann', token: ({ reason, signal }) => (signal.aborted ? null : reason) });

exactly<Readable<readonly AnyAlert[]>>()(client.alerts);
exactly<Readable<Connection>>()(client.connection);
exactly<string>()('any' as Kind);

client.on('deal-notification', (alert) => {
  exactly<'deal-notification'>()(alert.kind);
  exactly<unknown>()(alert.data['deals']);
  exactly<boolean>()(alert.state.read);
});

// The data comes first, as in the snippet that applications have; one that wants the alert takes it as well.
client.on('notification:deal', (data, alert) => {
  exactly<unknown>()(data['message']);
  exactly<string>()(alert.title);
});
client.on('notification:deal', ({ message }) => exactly<unknown>()(message));

client.onMessage(({ type, data, timestamp, seq }) => {
  exactly<string>()(type);
  exactly<unknown>()(data);
  exactly<string>()(timestamp);
  exactly<unknown>()(seq);
});

for (const alert of client.alerts.get()) {
  void client.markRead(alert);
  void client.markRead({ upTo: alert });
  void client.archive([alert, alert.id]);
  // @ts-expect-error what came is not changed by hand
  alert.state.read = true;
}

// @ts-expect-error nobody is an empty object
createClient({ user: {} });
// @ts-expect-error a word that is none of the transports
createClient({ transport: 'carrier-pigeon' });
