/** Claims where a page may not store anything: by a lock, and by telling the others. */

import { attempt } from '../browser.js';

const NAME = 'belfry/presented';
const HELD_MS = 1_500;

/** Claims an alert among the tabs that are open. */
export function createRing(): (id: string) => Promise<boolean> {
  const taken = new Set<string>();
  const channel = attempt(() => new BroadcastChannel(NAME));
  if (channel) channel.onmessage = ({ data }: { data: string }) => taken.add(data);
  const take = (id: string): boolean => {
    // Looked up again under the lock: a tab that hung gets it long after the others.
    if (taken.has(id)) return false;
    taken.add(id);
    channel?.postMessage(id);
    return true;
  };
  return (id) =>
    new Promise((resolve) => {
      const granted = (lock: unknown): unknown => {
        const mine = !!lock && take(id);
        resolve(mine);
        return mine && new Promise((done) => setTimeout(done, HELD_MS));
      };
      const alone = (): void => resolve(take(id));
      const request = attempt(() => navigator.locks.request(`${NAME}/${id}`, { ifAvailable: true }, granted));
      if (request) request.catch(alone);
      else alone();
    });
}
