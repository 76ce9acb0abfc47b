/** With declared kinds a test client takes only what fits. */

import type { Alert } from '@belfry/client';
import { createTestClient, testAlert } from '@belfry/testing';

declare global {
  interface BelfryKinds {
    'deal-notification': { readonly message: string };
    'job-completed': { readonly job_id: string };
  }
  interface BelfryEvents {
    'notification:deal': { readonly message: string };
  }
}

const client = createTestClient({ alerts: [testAlert('job-completed', { job_id: '1' })] });
const alert: Alert<'deal-notification'> = client.receive(
  'deal-notification',
  { message: 'x' },
  { severity: 'warning' },
);
alert.data.message satisfies string;
client.on('notification:deal', (data) => data.message satisfies string);

// @ts-expect-error this kind is not declared
client.receive('deal-notifcation', { message: 'x' });
// @ts-expect-error the data of another kind
client.receive('job-completed', { message: 'x' });
// @ts-expect-error no such call to fail
client.failNext('hold');

for (const call of client.calls) {
  if (call.method === 'setSound') call.args[0] satisfies boolean;
}
