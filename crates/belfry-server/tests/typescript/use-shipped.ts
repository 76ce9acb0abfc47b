import type { DealInfo, DealNotificationData, ExposedField, JobCompletedData, SystemMessageData } from './kinds.js';
import { anything, on, onEvent, publish } from './sdk.js';

const deal: DealInfo = { item_name: 'Oat milk', best_price_in_cents: 199, store_name: 'Corner', store_id: 7 };
const deals: DealNotificationData = { deals: [deal, { ...deal, store_id: 'c7' }], user_id: 'ann', message: 'Two deals' };

publish('deal-notification', deals);
publish('deal-notification', { ...deals, notification_id: '1' });
publish('job-completed', { job_id: '1', job_name: 'Import', status: 'failed', message: 'm', finished_at: 't' });
publish('spam-blocked', {
  service: 'SpamShield', subject: 'Ann', source: '+1', detected_at: 't', severity: 'info', channel: 'call',
});
publish('property-changed', {
  service: 'HomeTitle', subject: 'Ann', source: 'Recorder', detected_at: 't', severity: 'warning',
  property: 'Home', change: 'lien', previous: null,
});
anything(deals);

on('deal-notification', (data) => {
  const one: DealInfo | undefined = data.deals[0];
  const id: string | number | undefined = one?.store_id;
  const maybe: string | undefined = data.notification_id;
  void [id, maybe];
});
on('exposure-detected', (data) => {
  const exposed: ExposedField[] = data.exposed;
  const service: 'DarkWatch' = data.service;
  void [exposed, service];
});
onEvent('notification:deal', (data: DealNotificationData) => void data);
onEvent('notification:system', (data: SystemMessageData) => void data.severity);
onEvent('notification:job', (data: JobCompletedData) => void data.status);
onEvent('notification:exposure-detected', (data) => void data.exposed);

// @ts-expect-error a typing error in the name of a kind
on('deal-notifcation', () => {});
// @ts-expect-error a typing error in the name of an event
onEvent('notification:deals', () => {});
// @ts-expect-error a typing error in the name of a field, reading
on('deal-notification', (data) => data.mesage);
// @ts-expect-error a typing error in the name of a field, writing
publish('deal-notification', { ...deals, mesage: 'm' });
// @ts-expect-error a field is missing
publish('system-message', { message: 'm' });
// @ts-expect-error a word that is not on the list
publish('system-message', { message: 'm', severity: 'fatal' });
// @ts-expect-error another service's kind
publish('exposure-detected', { service: 'SpamShield', subject: '', source: '', detected_at: '', severity: 'info', exposed: [] });
// @ts-expect-error a wrong type
const wrong: DealInfo = { ...deal, best_price_in_cents: '199' };
void wrong;
