/** Work that goes on after its request was answered, and the alerts that come of it. */

import { randomUUID } from 'node:crypto';
import { createWebSocketMessage, websocketService } from '@belfry/node/compat';
import { dealsFor, parseWatchList } from './flyers.js';
import type { Job, Person, Shop } from './shop.js';

/** What one run of "Active Deal Alerts" did. */
export interface DealAlerts {
  readonly flyers: number;
  readonly people: number;
  readonly deals: number;
}

/** Active Deal Alerts: looks through the flyers that are new since the last run, and tells each person once. */
export function runActiveDealAlerts(shop: Shop): DealAlerts {
  const { round, flyers } = shop.takeNew();
  let people = 0;
  let found = 0;
  for (const person of shop.people.values()) {
    const deals = dealsFor(person.watched, flyers);
    if (deals.length === 0) continue;
    people += 1;
    found += deals.length;
    // One call with all of a person's deals. Belfry stores it, shows it live, and mails it to whoever is away. Its id
    // says which run it is of: the same run repeated tells nobody twice.
    websocketService.broadcastDealNotification(person.id, {
      notification_id: `active-deals-${shop.edition}-${round}-${person.id}`,
      deals,
      user_id: person.id,
      message: deals.length === 1 ? 'One of your items is on offer.' : `${deals.length} of your items are on offer.`,
    });
  }
  return { flyers: flyers.length, people, deals: found };
}

/** Reads a pasted watch list; the person hears of it when it is done, wherever they are by then. */
export function startImport(shop: Shop, person: Person, text: string): Job {
  const job: Job = {
    id: randomUUID(),
    user: person.id,
    name: 'Import of your watch list',
    status: 'running',
    message: 'Reading …',
    finished_at: null,
  };
  shop.jobs.set(job.id, job);
  setImmediate(() => {
    const { items, refused } = parseWatchList(text);
    shop.watch(person, items);
    finish(job, items.length, refused);
  });
  return job;
}

function finish(job: Job, added: number, refused: readonly string[]): void {
  const [first] = refused;
  job.status = added > 0 ? 'succeeded' : 'failed';
  job.message = [
    added === 1 ? '1 item is on your list.' : `${added} items are on your list.`,
    first !== undefined && `${refused.length} could not be read, for example “${first.slice(0, 80)}”.`,
  ]
    .filter((sentence) => typeof sentence === 'string')
    .join(' ');
  job.finished_at = new Date().toISOString();
  websocketService.broadcastToUser(
    job.user,
    createWebSocketMessage.jobCompleted({
      job_id: job.id,
      job_name: job.name,
      status: job.status,
      message: job.message,
      finished_at: job.finished_at,
    }),
  );
}
