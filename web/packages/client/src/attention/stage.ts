/** What this tab has on its screen, from the presenter's call until it is dismissed or nobody needs it any more. */

import { matches } from '../browser.js';
import type { AnyAlert, Client, Presentation, Unsubscribe } from '../types.js';
import type { AttentionHost } from './attention.js';
import { isAttended, mayChime, recent } from './decide.js';
import type { AttentionSetup } from './presenter.js';
import type { Sound } from './sound.js';

type Presenter = Parameters<Client['onPresent']>[0];

export interface Stage {
  /** The one added last presents. */
  add(presenter: Presenter): Unsubscribe;
  ready(): boolean;
  /** `false`: it was not shown. */
  show(key: string, alert: AnyAlert | null, summary: Presentation['summary']): boolean;
  /** It needs no attention any more. */
  end(key: string): void;
  endAll(): void;
  /** Tells the server what is on screen in front of somebody. */
  witness(): void;
}

interface Shown {
  readonly presenter: Presenter;
  /** An alert on screen that nobody was there to see so far. */
  unseen: boolean;
  end(): void;
}

const LONGEST_MS = 2 ** 31 - 1;

/** Empty. */
export function createStage(setup: AttentionSetup, host: AttentionHost, sound: Sound): Stage {
  const { browser, activeWithinMs = 120_000 } = setup;
  const { clock } = browser;
  const presenters: Presenter[] = [];
  const shown = new Map<string, Shown>();
  let burst: number[] = [];
  let chimedAt = 0;

  const witness = (): void => {
    if (!isAttended(browser.visible(), clock.now() - setup.presence().lastInputAt, activeWithinMs)) return;
    const ids: string[] = [];
    for (const [id, entry] of shown) {
      if (entry.unseen) ids.push(id);
      entry.unseen = false;
    }
    if (ids.length) host.displayed(ids);
  };

  const show: Stage['show'] = (key, alert, summary) => {
    const presenter = presenters.at(-1);
    if (!presenter) return false;
    const now = clock.now();
    const chimes =
      !!alert && sound.state.get().enabled && !matches('(prefers-reduced-motion: reduce)') && mayChime(chimedAt, now);
    const abort = new AbortController();
    const { signal } = abort;
    const left = alert?.expiresAt ? Date.parse(alert.expiresAt) - host.serverNow() : LONGEST_MS;
    const timer = left < LONGEST_MS && clock.setTimeout(() => abort.abort(), left);
    let told = false;
    const entry: Shown = { presenter, unseen: false, end: () => abort.abort() };
    signal.addEventListener('abort', () => {
      clock.clearTimeout(timer);
      shown.delete(key);
    });
    burst = recent(burst, now);
    shown.set(key, entry);
    const presentation: Presentation = {
      alert,
      summary,
      sound: chimes,
      burst: burst.length,
      signal,
      shown() {
        if (told || signal.aborted) return;
        told = true;
        entry.unseen = !!alert;
        witness();
        if (!chimes || !mayChime(chimedAt, clock.now())) return;
        chimedAt = clock.now();
        sound.play();
      },
      dismissed: entry.end,
      opened() {
        const current = alert && (host.current(alert.id) ?? alert);
        entry.end();
        if (current) host.open(current);
      },
    };
    const failed = (error: unknown): false => {
      host.report(error);
      entry.end();
      return false;
    };
    try {
      const answer = presenter(presentation);
      if (answer === false) {
        burst.pop();
        entry.end();
        return false;
      }
      if (answer) answer.then(presentation.shown, failed);
      else presentation.shown();
      return true;
    } catch (error) {
      return failed(error);
    }
  };

  return {
    add(presenter) {
      // A wrapper of its own: the same function may be registered twice.
      const own: Presenter = (presentation) => presenter(presentation);
      presenters.push(own);
      return () => {
        const at = presenters.indexOf(own);
        if (at >= 0) presenters.splice(at, 1);
        // What it had on screen went with it, so nobody will see it.
        for (const entry of [...shown.values()]) if (entry.presenter === own) entry.end();
      };
    },
    ready: () => presenters.length > 0,
    show,
    end: (key) => shown.get(key)?.end(),
    endAll() {
      for (const entry of [...shown.values()]) entry.end();
    },
    witness,
  };
}
