/** `<belfry-inbox>`: what came, newest first, by day. */

import type { AnyAlert, Client, Connection, Filter, List } from '@belfry/client';
import { type Action, actionStyles } from '../actions.js';
import { readOnly } from '../connection.js';
import { h, set } from '../dom.js';
import { bell, icon, marks } from '../icons.js';
import { focusIn, modified } from '../input.js';
import { inboxWords } from '../later-words.js';
import { counted, localeOf } from '../locale.js';
import { open, quietly } from '../opening.js';
import { alertStyles } from '../styles.js';
import { BelfryView } from '../view.js';
import { checks } from './icons.js';
import { type RowHost, row, tell } from './row.js';
import { SeenWatch } from './seen.js';
import { inboxStyles } from './styles.js';
import { sync } from './sync.js';
import { day } from './time.js';

/** How often the times move on, and whether the connection is shown as broken is asked anew. */
const TICK_MS = 15_000;
/** How long a connection may be gone before it is a reason. */
const PATIENCE_MS = 3_000;
const UNDO_MS = 10_000;
/** What can be styled from outside of the element that it stands in, as the bell. */
const PARTS =
  'head,heading,count,filters,filter,mark-all,note,scroll,day,row,unread,mark,title,body,facts,subject,service,when,tools,actions,action,more,empty,error';

interface Row {
  readonly alert: AnyAlert;
  readonly node: HTMLLIElement;
  readonly frozen: boolean;
}

/** The inbox. */
export class BelfryInbox extends BelfryView {
  static override readonly tag: string = 'belfry-inbox';
  static override readonly observedAttributes: readonly string[] = ['client', 'lang', 'kinds', 'category', 'limit'];

  #client: Client | null = null;
  #list: List | null = null;
  #listLife: AbortController | null = null;
  #seen: SeenWatch | null = null;
  #rows = new Map<string, Row>();
  #days = new Map<string, HTMLElement>();
  /** The row that Tab leads to; the arrows move it. */
  #current = '';
  #unreadOnly = false;
  #undoing: ReturnType<typeof setTimeout> | undefined;
  #frozen: string | null = null;

  readonly #count = h('span', { part: 'count' });
  readonly #note = h('div', { part: 'note', role: 'status' });
  readonly #pages = h('div', { part: 'list' });
  readonly #state = h('div');
  readonly #more = h('button', { part: 'more', click: () => this.#older() });
  readonly #scroll = h('div', { part: 'scroll' }, this.#pages, this.#state, this.#more);
  #filters: readonly HTMLElement[] = [];
  #markAll: HTMLElement = this.#more;

  constructor() {
    super(inboxWords, alertStyles, actionStyles, inboxStyles);
    this.#scroll.addEventListener('keydown', (event) => this.#walk(event));
    this.#scroll.addEventListener('focusin', (event) => {
      const id = (event.target as Element).closest('li')?.dataset['id'];
      if (id) this.#rove(id);
    });
  }

  protected override start(client: Client, signal: AbortSignal): void {
    this.#client = client;
    if (!this.hasAttribute('exportparts')) set(this, { exportparts: PARTS });
    this.#unreadOnly = this.getAttribute('filter') === 'unread';
    this.#frame();
    this.#seen = new SeenWatch(
      signal,
      (id) => this.#rows.get(id)?.alert,
      (alerts) => quietly(client.markSeen(alerts)),
    );
    this.follow(() => {
      const n = client.unread.get();
      this.#count.textContent = n > 0 ? n.toLocaleString(localeOf(this)) : '';
      set(this.#count, { hidden: n === 0, 'aria-label': counted(this.say('unread'), n, localeOf(this)) });
      set(this.#markAll, { 'aria-disabled': (n === 0 || this.#frozen) && 'true' });
    }, client.unread);
    let patience: ReturnType<typeof setTimeout> | undefined;
    this.follow(() => {
      const connection = client.connection.get();
      clearTimeout(patience);
      patience = setTimeout(() => this.#freeze(connection), PATIENCE_MS);
      this.#freeze(connection);
    }, client.connection);
    const ticking = setInterval(() => this.#draw(), TICK_MS);
    this.until(() => {
      clearInterval(ticking);
      clearTimeout(patience);
      clearTimeout(this.#undoing);
      this.#close();
    });
    this.#choose(this.#unreadOnly);
  }

  #open(event: MouseEvent, alert: AnyAlert, action?: Action): void {
    if (this.#client) this.#save(open(event, this, this.#client, alert, action));
  }

  #toggleRead(alert: AnyAlert): void {
    if (this.#client) this.#save(alert.state.read ? this.#client.markUnread(alert) : this.#client.markRead(alert));
  }

  #archive(alert: AnyAlert): void {
    const client = this.#client;
    if (!client) return;
    const undo = (): void => {
      this.#say();
      // Archiving reads; taking that back takes back both.
      const back = client.unarchive(alert);
      this.#save(alert.state.read ? back : back.then(() => client.markUnread(alert)));
    };
    this.#say(
      h('span', {}, `${this.say('archived')}: `, h('bdi', {}, alert.title)),
      h('button', { part: 'undo', click: undo }, this.say('undo')),
    );
    this.#save(client.archive(alert));
  }

  #older(): void {
    const busy = (is: boolean): void => set(this.#more, { 'aria-disabled': is && 'true', 'aria-busy': is && 'true' });
    busy(true);
    quietly(this.#list?.loadMore().finally(() => busy(false)));
  }

  /** Everything up to the newest row that is loaded; what comes meanwhile stays unread. */
  #markAllRead(): void {
    const newest = this.#list?.items.get()[0];
    if (newest && this.#client?.unread.get() && !this.#frozen) this.#save(this.#client.markRead({ upTo: newest }));
  }

  #save(change: Promise<void> | undefined): void {
    change?.catch(() => this.#say(this.say('notSaved')));
  }

  /** Says what was done; a way back stays while somebody is at it. */
  #say(...words: readonly (Node | string)[]): void {
    clearTimeout(this.#undoing);
    this.#note.replaceChildren(...words);
    if (words.length > 0) this.#undoing = setTimeout(() => this.#unsay(), UNDO_MS);
  }

  #unsay(): void {
    if (this.#note.matches(':hover,:focus-within')) this.#undoing = setTimeout(() => this.#unsay(), UNDO_MS);
    else this.#say();
  }

  #frame(): void {
    const filter = (unread: boolean): HTMLElement =>
      h('button', { part: 'filter', click: () => this.#choose(unread) }, this.say(unread ? 'unreadOnly' : 'all'));
    this.#filters = [filter(false), filter(true)];
    const all = this.say('markAllRead');
    this.#markAll = h(
      'button',
      {
        part: 'mark-all',
        class: 'tool',
        title: all,
        'aria-label': all,
        click: () => this.#markAllRead(),
      },
      icon(checks),
    );
    this.#more.textContent = this.say('older');
    this.#rows.clear();
    this.show(
      h(
        'div',
        { part: 'head' },
        h('h2', { part: 'heading' }, this.say('notifications')),
        this.#count,
        h('div', { part: 'filters', role: 'group', 'aria-label': this.say('notifications') }, ...this.#filters),
        this.#markAll,
      ),
      this.#note,
      this.#scroll,
    );
  }

  #choose(unread: boolean): void {
    const client = this.#client;
    if (!client) return;
    this.#unreadOnly = unread;
    const [all, only] = this.#filters;
    if (all) set(all, { 'aria-pressed': `${!unread}` });
    if (only) set(only, { 'aria-pressed': `${unread}` });
    this.#close();
    const list = client.list(this.#filter());
    this.#list = list;
    this.#listLife = new AbortController();
    const draw = (): void => this.#draw();
    for (const value of [list.items, list.status, list.hasMore]) {
      this.#listLife.signal.addEventListener('abort', value.subscribe(draw));
    }
    draw();
  }

  #filter(): Filter {
    const kinds = this.getAttribute('kinds')?.split(/\s+/);
    const category = this.getAttribute('category');
    const limit = Number(this.getAttribute('limit') ?? 0);
    return {
      ...(kinds && { kinds }),
      ...(category && { category }),
      ...(limit > 0 && { limit }),
      ...(this.#unreadOnly && { unread: true }),
    };
  }

  #close(): void {
    this.#listLife?.abort();
    this.#list?.dispose();
    this.#list = null;
  }

  /** Offline the inbox can be read, not changed. */
  #freeze(connection: Connection): void {
    const frozen = readOnly(connection, Date.now()) ? this.say('readOnly') : null;
    if (frozen === this.#frozen) return;
    this.#frozen = frozen;
    this.#say(...(frozen ? [frozen] : []));
    if (frozen) clearTimeout(this.#undoing);
    set(this.#markAll, { 'aria-disabled': (frozen || !this.#client?.unread.get()) && 'true' });
    this.#draw();
  }

  #draw(): void {
    if (!this.#list) return;
    const alerts = this.#list.items.get().filter(({ state }) => !state.archived);
    const focused = focusIn(this.root);
    const at = alerts.findIndex(({ id }) => id === this.#current);
    const before = [...this.#rows.keys()].indexOf(this.#current);
    // Ages are the server's: the clock of this machine may be wrong.
    const now = this.#client?.now() ?? Date.now();
    this.#rows = this.#rebuild(alerts, now);
    this.#group(alerts, now);
    this.#rove(at >= 0 ? this.#current : (alerts[Math.min(Math.max(before, 0), alerts.length - 1)]?.id ?? ''));
    if (focused?.closest('li') && !focused.isConnected) {
      const same = at >= 0 ? focused.getAttribute('part') : null;
      this.#rows
        .get(this.#current)
        ?.node.querySelector<HTMLElement>(`[part=${same ?? 'title'}],[part=title]`)
        ?.focus();
    }
    const status = this.#list.status.get();
    this.#more.hidden = !this.#list.hasMore.get() || alerts.length === 0 || status === 'error';
    set(this.#scroll, { 'aria-busy': status === 'loading' && 'true' });
    this.#state.replaceChildren(...this.#stateOf(status, alerts.length === 0));
  }

  /** Rows of alerts that did not change stay the nodes they are. */
  #rebuild(alerts: readonly AnyAlert[], now: number): Map<string, Row> {
    const frozen = this.#frozen !== null;
    const host = this.#host();
    const rows = new Map<string, Row>();
    for (const alert of alerts) {
      const known = this.#rows.get(alert.id);
      const same = known?.alert === alert && known.frozen === frozen;
      const next = same ? known : { alert, frozen, node: row(alert, host) };
      tell(next.node, alert, now, localeOf(this));
      if (!same) this.#seen?.watch(next.node);
      rows.set(alert.id, next);
    }
    for (const [id, { node }] of this.#rows) if (rows.get(id)?.node !== node) this.#seen?.unwatch(node);
    return rows;
  }

  #host(): RowHost {
    return {
      locale: localeOf(this),
      frozen: this.#frozen,
      say: (name) => this.say(name),
      open: (event, alert, action) => this.#open(event, alert, action),
      toggleRead: (alert) => this.#toggleRead(alert),
      archive: (alert) => this.#archive(alert),
    };
  }

  #group(alerts: readonly AnyAlert[], now: number): void {
    const days = new Map<string, HTMLLIElement[]>();
    for (const alert of alerts) {
      const name = day(Date.parse(alert.createdAt), now, localeOf(this));
      const node = this.#rows.get(alert.id)?.node;
      if (node) days.set(name, [...(days.get(name) ?? []), node]);
    }
    const sections = [...days].map(([name, nodes]) => {
      const section =
        this.#days.get(name) ?? h('div', { role: 'group', 'aria-label': name }, h('h3', { part: 'day' }, name));
      const list = section.querySelector('ul') ?? section.appendChild(h('ul', { role: 'list' }));
      sync(list, nodes);
      return [name, section] as const;
    });
    this.#days = new Map(sections);
    sync(this.#pages, [...this.#days.values()]);
  }

  #stateOf(status: 'loading' | 'ready' | 'error', empty: boolean): Node[] {
    if (status === 'error') {
      const again = (): void => quietly(this.#list?.refresh());
      const retry = h('button', { part: 'retry', click: again }, this.say('tryAgain'));
      return [h('div', { part: 'error', role: 'alert' }, icon(marks.warning), h('b', {}, this.say('failed')), retry)];
    }
    if (!empty) return [];
    if (status === 'loading') {
      const line = (): HTMLElement => h('div', { part: 'skeleton', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
      return [h('div', { part: 'loading' }, h('span', { class: 'sr' }, this.say('loading')), line(), line(), line())];
    }
    const words = h('b', {}, this.say(this.#unreadOnly ? 'emptyUnread' : 'empty'));
    return [h('div', { part: 'empty' }, icon(bell), words, h('span', {}, this.say('emptyHint')))];
  }

  /** One row is in the order of focus; the arrows lead to the others. */
  #rove(id: string): void {
    for (const [key, { node }] of this.#rows) {
      for (const one of node.querySelectorAll<HTMLElement>('a,button')) one.tabIndex = key === id ? 0 : -1;
    }
    this.#current = id;
  }

  #walk(event: KeyboardEvent): void {
    const ids = [...this.#rows.keys()];
    const at = ids.indexOf((event.target as Element).closest('li')?.dataset['id'] ?? '');
    const last = ids.length - 1;
    const to = { ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined || modified(event)) return;
    event.preventDefault();
    this.#rows
      .get(ids[to] ?? '')
      ?.node.querySelector<HTMLElement>('[part=title]')
      ?.focus();
  }
}
