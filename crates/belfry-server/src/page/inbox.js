// The list: rows that open, change state, and say when somebody had them on screen.

import { icon } from './toasts.js';

const SEEN_AFTER_MS = 1_000;
const TELL_SEEN_MS = 500;

const element = (name, className, text) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
};

/** "now", "4 min", "3 h", then a date. */
export function ago(text, now = Date.now()) {
  const at = new Date(text);
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  return at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

const EMPTY = {
  inbox: ['Nothing here yet', 'Publish an alert, or paste the curl line into a terminal.'],
  unread: ['All read', 'What arrives next appears here at once.'],
  archived: ['The archive is empty', 'Archived alerts leave the inbox and stay here.'],
};

/** Links were checked when published; checked again here, for the page trusts nobody. */
const safeLink = (link) => (/^(https:\/\/|\/(?!\/))/.test(link ?? '') ? link : null);

export class Inbox {
  #list = document.querySelector('.items');
  #empty = document.querySelector('.empty');
  #older = document.querySelector('.older');
  #rows = new Map();
  #filter = 'inbox';
  #open = new Set();
  #client = null;
  #attention;
  #watcher;
  #onScreen = new Map();

  constructor(attention) {
    this.#attention = attention;
    this.#watcher = new IntersectionObserver((entries) => this.#look(entries), { threshold: 0.6 });
    for (const button of document.querySelectorAll('.filters button')) {
      button.onclick = () => this.#choose(button.dataset.filter);
    }
    this.#older.onclick = () => this.#client.loadOlder().catch(() => {});
    setInterval(() => this.#tellSeen(), TELL_SEEN_MS);
    setInterval(() => this.#tickTimes(), 30_000);
  }

  show(client) {
    if (this.#client !== client) {
      this.#client = client;
      this.#open.clear();
      for (const row of this.#rows.values()) row.node.remove();
      this.#rows.clear();
      this.#onScreen.clear();
    }
    this.render();
  }

  /** Brings one alert before the person. */
  reveal(id) {
    this.#choose('inbox');
    this.#open.add(id);
    this.render();
    this.#rows.get(id)?.node.scrollIntoView({ block: 'center' });
    this.#rows.get(id)?.button.focus();
    this.#client.mark([id], 'read');
  }

  render(freshId) {
    const items = this.#client.items.list().filter((item) => this.#belongs(item));
    const wanted = new Set(items.map((item) => item.id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      this.#watcher.unobserve(row.node);
      row.node.remove();
      this.#rows.delete(id);
      this.#onScreen.delete(id);
    }
    let before = this.#list.firstElementChild;
    for (const item of items) {
      const row = this.#rows.get(item.id) ?? this.#make(item);
      if (row.node === before) before = before.nextElementSibling;
      else this.#list.insertBefore(row.node, before);
      this.#fill(row, item);
    }
    if (freshId) this.#rows.get(freshId)?.node.classList.add('fresh');
    this.#empty.hidden = items.length > 0;
    const [title, text] = EMPTY[this.#filter];
    this.#empty.querySelector('.empty-title').textContent = title;
    this.#empty.querySelector('.empty-text').textContent = text;
    this.#older.hidden = !this.#client.items.next;
  }

  #belongs({ state }) {
    if (this.#filter === 'archived') return state.archived;
    return !state.archived && (this.#filter === 'inbox' || !state.read);
  }

  #choose(filter) {
    this.#filter = filter;
    for (const button of document.querySelectorAll('.filters button')) {
      button.setAttribute('aria-pressed', String(button.dataset.filter === filter));
    }
    this.render();
  }

  #make(item) {
    const node = element('li');
    node.className = `item ${item.severity}`;
    node.dataset.id = item.id;
    const button = element('button', 'row');
    button.type = 'button';
    const mark = element('span', 'mark');
    mark.append(icon(item.severity));
    const words = element('span', 'words');
    const title = element('span', 'title', item.title);
    title.dir = 'auto';
    words.append(title);
    if (item.body) {
      const text = element('span', 'text', item.body.trim().replaceAll('\n', ' · '));
      text.dir = 'auto';
      words.append(text);
    }
    const tags = element('span', 'tags');
    tags.append(element('span', '', item.type));
    if (item.stream === 'all') tags.append(element('span', 'all', 'everyone'));
    const when = element('span', 'when');
    const time = element('time', '', ago(item.timestamp));
    time.dateTime = item.timestamp;
    time.title = new Date(item.timestamp).toLocaleString();
    when.append(time);
    const said = element('span', 'unseen');
    button.append(mark, words, tags, when, said);
    button.onclick = () => this.#toggle(item.id);
    const acts = element('div', 'acts');
    const read = this.#act(acts, () => this.#client.mark([item.id], this.#state(item.id).read ? 'unread' : 'read'));
    const archive = this.#act(acts, () =>
      this.#client.mark([item.id], this.#state(item.id).archived ? 'unarchived' : 'archived'),
    );
    node.append(button, acts);
    const row = { node, button, time, said, read, archive, more: null };
    this.#rows.set(item.id, row);
    this.#watcher.observe(node);
    return row;
  }

  #act(acts, act) {
    const button = element('button');
    button.type = 'button';
    button.onclick = act;
    acts.append(button);
    return button;
  }

  #fill(row, item) {
    const { read, archived } = item.state;
    const open = this.#open.has(item.id);
    row.node.classList.toggle('unread', !read);
    row.said.textContent = read ? '' : ', unread';
    row.button.setAttribute('aria-expanded', String(open));
    this.#label(row.read, read ? 'unread' : 'read', read ? 'Mark unread' : 'Mark read', item.title);
    row.read.hidden = archived;
    this.#label(row.archive, archived ? 'back' : 'archive', archived ? 'Back to the inbox' : 'Archive', item.title);
    if (open && !row.more) {
      row.more = this.#more(item);
      row.node.append(row.more);
    } else if (!open && row.more) {
      row.more.remove();
      row.more = null;
    }
  }

  #label(button, name, text, title) {
    if (button.title === text) return;
    button.title = text;
    button.setAttribute('aria-label', `${text}: ${title}`);
    button.replaceChildren(icon(name));
  }

  #more(item) {
    const more = element('div', 'more');
    if (item.body) {
      const body = element('p', '', item.body.trim());
      body.dir = 'auto';
      more.append(body);
    }
    const buttons = element('div', 'buttons');
    const links = [{ label: 'Open', link: item.link }, ...(item.actions ?? [])];
    for (const { id, label, link } of links) {
      const href = safeLink(link);
      if (!href && !id) continue;
      // The paths belong to an application that is not here: they are shown, and used up, but lead nowhere.
      const button = element(href?.startsWith('https:') ? 'a' : 'button', '', href ? `${label} ${href}` : label);
      if (button.localName === 'a') Object.assign(button, { href, target: '_blank', rel: 'noreferrer' });
      else button.type = 'button';
      button.addEventListener('click', () => this.#client.mark([item.id], 'acted'));
      buttons.append(button);
    }
    if (buttons.childElementCount > 0) more.append(buttons);
    const facts = element('dl', 'facts');
    const stream = item.stream === 'all' ? 'of everyone' : `of ${this.#client.user}`;
    const rows = [
      ['Number', `${item.seq} ${stream}`],
      ['Category', item.category],
      ['Accepted', new Date(item.timestamp).toLocaleString()],
      ['Expires', item.expires_at && new Date(item.expires_at).toLocaleString()],
      ['Thread', item.thread],
      ['Id', item.id],
    ];
    for (const [name, value] of rows) {
      if (value) facts.append(element('dt', '', name), element('dd', '', value));
    }
    const data = element('pre', '', JSON.stringify(item.data, null, 2));
    data.tabIndex = 0;
    data.setAttribute('aria-label', 'Data');
    more.append(facts, data);
    return more;
  }

  #toggle(id) {
    if (this.#open.has(id)) this.#open.delete(id);
    else this.#open.add(id);
    const { read, archived } = this.#state(id);
    if (!read && !archived) this.#client.mark([id], 'read');
    this.render();
  }

  #state(id) {
    return this.#client.items.get(id)?.state ?? {};
  }

  // ---- seen: on screen for a second, before somebody

  #look(entries) {
    for (const { target, isIntersecting } of entries) {
      const { id } = target.dataset;
      if (isIntersecting) this.#onScreen.set(id, Date.now());
      else this.#onScreen.delete(id);
    }
  }

  #tellSeen() {
    if (!this.#client || !this.#attention.attended()) return;
    const due = Date.now() - SEEN_AFTER_MS;
    const ids = [...this.#onScreen].filter(([id, since]) => since <= due && this.#state(id).seen === false);
    if (ids.length > 0) this.#client.mark(ids.map(([id]) => id), 'seen');
  }

  #tickTimes() {
    for (const { time } of this.#rows.values()) time.textContent = ago(time.dateTime);
  }
}
