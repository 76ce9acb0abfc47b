/** Whether this is the browser's first tab: it connects at once, while what keeps tabs together is still loading. */

import { attempt } from '../browser.js';

/**
 * Calls `go` where nobody has the lead, and holds it until `until` aborts: by then this tab has queued for it itself. Where
 * there are no locks every tab leads itself. Whoever takes the lead away meanwhile is followed later.
 */
export function ifFirst(name: string, until: AbortSignal, go: () => void): void {
  let had = false;
  const granted = (lock: unknown): unknown => {
    had = true;
    if (!lock || until.aborted) return;
    go();
    return new Promise<void>((done) => until.addEventListener('abort', () => done()));
  };
  const refused = () => {
    if (!had && !until.aborted) go();
  };
  const asked = attempt(() => navigator.locks.request(name, { ifAvailable: true }, granted));
  if (asked) asked.catch(refused);
  else refused();
}
