/** With declared kinds a publisher takes only what fits. */

import { createPublisher, type NewAlert } from '@belfry/node';

declare global {
  interface BelfryKinds {
    'deal-notification': { message: string; deals: { store_id: number | string }[] };
    'job-completed': { job_id: string };
  }
}

const publisher = createPublisher({ url: 'http://h', apiKey: 'k' });
const job: NewAlert<'job-completed'> = { kind: 'job-completed', data: { job_id: '7' }, expires_at: new Date() };

await publisher.publishAlert('ann', job);
await publisher.publishAlert(['ann', 'bob'], job);
await publisher.publishAlert({ group: 'family-7' }, job);
await publisher.publishToGroup('family-7', {
  kind: 'deal-notification',
  data: { message: 'x', deals: [{ store_id: 1 }] },
});
for await (const outcome of publisher.publishBatch([{ ...job, to: 'ann' }])) {
  if (outcome.ok) outcome.receipt.id satisfies string;
  else outcome.error.code satisfies string;
}

// @ts-expect-error this kind is not declared
await publisher.publishAlert('ann', { kind: 'deal-notifcation', data: {} });
// @ts-expect-error the data of another kind
await publisher.publishAlert('ann', { kind: 'job-completed', data: { message: 'x' } });
// @ts-expect-error a batch entry needs to say whom it is for
publisher.publishBatch([job]);
// @ts-expect-error no such severity
await publisher.broadcastToAll({ ...job, severity: 'urgent' });

const snapshot = await publisher.snapshot('ann');
for (const alert of snapshot.alerts ?? []) {
  if (alert.kind === 'job-completed') alert.data.job_id satisfies string;
}
