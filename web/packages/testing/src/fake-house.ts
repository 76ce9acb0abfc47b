/** Everybody a fake server knows, and what reaches whom. */

import type { DoNotDisturb, DoNotDisturbState, Item, Preferences, ServerMessage, StateChange } from '@belfry/protocol';
import { words } from './alert.js';
import { FakeInbox, fakeId, type Row, type Shared } from './fake-inbox.js';

/** What a test publishes. What it leaves out is as a server without a kind file fills it. */
export interface FakeAlert {
  readonly kind: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly title?: string;
  readonly body?: string | null;
  readonly severity?: Item['severity'];
  readonly category?: string;
  readonly link?: string | null;
  readonly image?: string;
  readonly actions?: NonNullable<Item['actions']>;
  readonly quiet?: boolean;
  readonly thread?: string | null;
  readonly expires_at?: string | null;
  readonly collapse_key?: string;
  /** When it was accepted. Default: now. */
  readonly timestamp?: string;
}

/** Whom it is for. */
export type FakeAudience = string | readonly string[] | { readonly everyone: true };

/** One person. */
export interface Person {
  readonly inbox: FakeInbox;
  doNotDisturb: DoNotDisturb;
  preferences: Preferences;
  preferencesRev: number;
  readonly devices: Map<string, Record<string, unknown>>;
}

/** Tells the live connections of one person. */
export type Tell = (user: string, message: ServerMessage) => void;

/** People, alerts, and the frames that follow from what happens. */
export class FakeHouse {
  readonly #shared: Shared;
  readonly #people = new Map<string, Person>();
  readonly #announcements: Omit<Row['item'], 'seq'>[] = [];
  readonly #now: () => number;
  readonly #tell: Tell;
  #ids = 0;

  constructor(now: () => number, tell: Tell) {
    this.#now = now;
    this.#tell = tell;
    this.#shared = { epoch: '9f1c22ab00e1d2c3', allHead: 0, timestamp: () => new Date(now()).toISOString() };
  }

  /** Somebody new has none of the announcements that are older than they are. */
  person(user: string): Person {
    const known = this.#people.get(user);
    if (known !== undefined) return known;
    const person: Person = {
      inbox: new FakeInbox(this.#shared),
      doNotDisturb: { until: null, schedule: [], time_zone: null },
      preferences: { default: {}, categories: {} },
      preferencesRev: 1,
      devices: new Map(),
    };
    this.#people.set(user, person);
    return person;
  }

  publish(to: FakeAudience, alert: FakeAlert): string {
    this.#ids += 1;
    const id = fakeId(this.#ids);
    const { collapse_key: key = null, kind, data, timestamp, quiet = false, ...given } = alert;
    const how = { collapseKey: key, quiet };
    const everyone = typeof to === 'object' && 'everyone' in to;
    const item: Omit<Row['item'], 'seq'> = {
      type: kind,
      data: { ...data },
      timestamp: timestamp ?? this.#shared.timestamp(),
      id,
      stream: everyone ? 'all' : 'user',
      title: words(kind),
      body: null,
      severity: 'info',
      category: kind,
      link: null,
      thread: null,
      expires_at: null,
      ...given,
    };
    if (everyone) {
      this.#shared.allHead += 1;
      this.#announcements.push(item);
      for (const [user, { inbox }] of this.#people) this.#tell(user, inbox.add(item, this.#shared.allHead, how));
    } else {
      for (const user of typeof to === 'string' ? [to] : (to as readonly string[])) {
        this.#tell(user, this.person(user).inbox.add(item, null, how));
      }
    }
    return id;
  }

  /** An alert leaves every inbox. */
  leave(id: string, why: 'recalled' | 'expired'): void {
    const everyone = this.#announcements.some((item) => item.id === id);
    if (everyone) this.#shared.allHead += 1;
    for (const [user, { inbox }] of this.#people) {
      const row = inbox.find(id);
      if (row !== undefined && row.left === null) {
        this.#tell(user, inbox.leave(row, why, everyone ? this.#shared.allHead : null));
      }
    }
  }

  /** A person changes items, from whatever device: all of them hear of it. */
  change(user: string, selection: { ids?: readonly string[]; up_to?: string }, to: StateChange): void {
    const frame = this.person(user).inbox.change(selection, to);
    if (frame !== null) this.#tell(user, frame);
  }

  setDoNotDisturb(user: string, setting: DoNotDisturb): void {
    const person = this.person(user);
    person.doNotDisturb = setting;
    person.inbox.quiet = this.quiet(user).active;
    this.#settingsChanged(user, person);
  }

  setPreferences(user: string, preferences: Preferences): void {
    const person = this.person(user);
    person.preferences = preferences;
    person.preferencesRev += 1;
    this.#settingsChanged(user, person);
  }

  /** Quiet by hand; a schedule is kept and not computed. */
  quiet(user: string): DoNotDisturbState {
    const { until, schedule, time_zone } = this.person(user).doNotDisturb;
    const active = until !== null && Date.parse(until) > this.#now();
    return { active, until: active ? until : null, schedule, time_zone };
  }

  /** The numbers start anew: every cursor means nothing from here on. */
  renumber(): void {
    this.#shared.epoch = (BigInt(`0x${this.#shared.epoch}`) + 1n).toString(16);
  }

  timestamp(): string {
    return this.#shared.timestamp();
  }

  #settingsChanged(user: string, { preferencesRev }: Person): void {
    const data = { do_not_disturb: this.quiet(user), preferences_rev: preferencesRev };
    this.#tell(user, { type: 'settings-changed', data, timestamp: this.#shared.timestamp() });
  }
}
