// The demo page: a client per user, of which one is shown; so it is to be seen that the other one gets nothing.

import { Caught } from './caught.js';
import { Client } from './client.js';
import { Inbox } from './inbox.js';
import { Publish } from './publish.js';
import { Attention, Toasts } from './toasts.js';

const QUIET_FOR_MS = 60 * 60 * 1000;
const FRAMES_KEPT = 100;
/** A short hiccup is not worth a word. */
const SAY_RECONNECTING_AFTER_MS = 3_000;
const WORDS = { connecting: 'Connecting…', live: 'Live', reconnecting: 'Reconnecting…', offline: 'Offline', stopped: 'Offline' };

const root = document.documentElement;
const base = root.dataset.base;
let pageToken = root.dataset.pageToken;
const find = (selector) => document.querySelector(selector);

/** Calls the page's own door. A restarted server knows another page token: it stands in the page it serves now. */
async function call(path, body, again = true) {
  const answer = await fetch(`${base}/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'x-belfry-page-token': pageToken, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const content = await answer.json().catch(() => null);
  if (answer.status === 403 && content?.code === 'forbidden' && again) {
    const page = await fetch(base || '/');
    const fresh = new DOMParser().parseFromString(await page.text(), 'text/html').documentElement.dataset.pageToken;
    if (fresh && fresh !== pageToken) {
      pageToken = fresh;
      return call(path, body, false);
    }
  }
  return { ok: answer.ok, status: answer.status, body: content };
}

async function mint(user) {
  const { ok, body } = await call('dev/token', { user });
  if (!ok) throw new Error(body?.detail ?? 'no token');
  return body;
}

const attention = new Attention();
const inbox = new Inbox(attention);
const clients = new Map();
let current = null;

const toasts = new Toasts({
  attention,
  onDisplayed: (ids) => current.displayed(ids),
  onOpen: (id) => {
    chooseView('inbox');
    inbox.reveal(id);
  },
});

// ---- bar

const dot = find('.dot');
const word = find('.word');
let sayAt = null;

function showConnection() {
  const { connection } = current;
  const shown = find('.connection');
  if (connection === 'live' && shown.dataset.connection !== 'live') pulse(dot, 'pulse');
  if (connection === 'live') shown.removeAttribute('title');
  if (connection === 'stopped' && shown.dataset.connection !== 'stopped') toasts.say('The connection was ended', shown.title);
  shown.dataset.connection = connection;
  if (connection !== 'reconnecting') {
    clearTimeout(sayAt);
    sayAt = null;
    say(WORDS[connection]);
  } else if (word.textContent !== WORDS.reconnecting) {
    sayAt ??= setTimeout(showReconnecting, SAY_RECONNECTING_AFTER_MS);
  }
}

function showReconnecting() {
  sayAt = null;
  if (current.connection === 'reconnecting') say(WORDS.reconnecting);
}

function say(text) {
  if (word.textContent !== text) word.textContent = text;
}

/** Plays an animation once more. */
function pulse(node, name) {
  node.classList.remove(name);
  void node.offsetWidth;
  node.classList.add(name);
}

function showCounts() {
  for (const [user, client] of clients) {
    const { unread } = client.items;
    const count = find(`.users [data-user="${user}"] .count`);
    count.hidden = unread === 0;
    count.textContent = unread;
    count.title = `${unread} unread`;
  }
  const { unread } = current.items;
  for (const node of [find('.badge'), find('.views .count')]) {
    if (node.textContent !== String(unread)) pulse(node, 'bump');
    node.hidden = unread === 0;
    node.textContent = unread;
  }
  find('.badge').title = `${unread} unread`;
  find('.read-all').disabled = unread === 0;
  document.title = unread > 0 ? `(${unread}) Belfry` : 'Belfry';
}

const quiet = find('.quiet');
let quietCounted = 0;
let quietEnds = null;

function showQuiet() {
  const { active, until } = current.doNotDisturb;
  quiet.setAttribute('aria-checked', String(active));
  const time = until && new Date(until).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  quiet.querySelector('span').textContent = active && time ? `Quiet until ${time}` : 'Do not disturb';
  quiet.title = active ? 'Turn off do not disturb' : 'No toasts for one hour; the badge still counts';
  clearTimeout(quietEnds);
  if (active && until) {
    const left = Math.min(Date.parse(until) - Date.now(), 2 ** 31 - 1);
    quietEnds = setTimeout(endQuiet, Math.max(0, left) + 50, current);
  }
  if (!active && quietCounted > 0) {
    toasts.say(`${quietCounted} ${quietCounted === 1 ? 'alert' : 'alerts'} while do not disturb was on`);
    quietCounted = 0;
  }
}

function endQuiet(client) {
  if (Date.parse(client.doNotDisturb.until) > Date.now()) return;
  client.doNotDisturb = { ...client.doNotDisturb, active: false, until: null };
  if (client === current) showQuiet();
}

quiet.onclick = async () => {
  const until = current.doNotDisturb.active ? null : new Date(Date.now() + QUIET_FOR_MS);
  try {
    await current.setDoNotDisturb(until);
  } catch (error) {
    toasts.say('Do not disturb was not changed', error.message);
  }
};

find('.read-all').onclick = () => current.markAllRead();

function chooseView(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll('.views button')) {
    button.setAttribute('aria-pressed', String(button.dataset.view === view));
  }
}
for (const button of document.querySelectorAll('.views button')) button.onclick = () => chooseView(button.dataset.view);

// ---- going away

const away = find('.away');
const gone = new Set();

function showAway() {
  const isGone = gone.has(current);
  away.setAttribute('aria-checked', String(isGone));
  away.textContent = isGone ? 'Come back' : 'Go away';
}

away.onclick = () => {
  if (gone.delete(current)) current.comeBack();
  else {
    gone.add(current);
    current.leave();
  }
  showAway();
  showConnection();
};

// ---- frames

const frames = find('.wire ol');
let frameCount = 0;

function showFrame(user, { direction, frame }) {
  const row = document.createElement('li');
  row.className = direction;
  const arrow = Object.assign(document.createElement('span'), { textContent: direction === 'in' ? '↓' : '↑' });
  arrow.title = direction === 'in' ? 'received' : 'sent';
  const line = document.createElement('span');
  // Tokens stay out of sight, and of screenshots.
  const data = frame.type === 'authenticate' ? '…' : JSON.stringify(frame.data);
  const place = frame.seq === undefined ? '' : ` ${frame.stream} ${frame.seq}`;
  line.append(Object.assign(document.createElement('b'), { textContent: frame.type }), `${place} ${data}`);
  line.title = `${user}: ${JSON.stringify(frame.type === 'authenticate' ? frame.type : frame, null, 1).slice(0, 4_000)}`;
  row.append(arrow, line);
  frames.prepend(row);
  if (frames.childElementCount > FRAMES_KEPT) frames.lastElementChild.remove();
  find('.wire .count').textContent = ++frameCount;
}

// ---- users

function presence() {
  const visible = document.visibilityState === 'visible';
  for (const client of clients.values()) {
    const shown = client === current;
    client.setPresence({ visible: visible && shown, focused: document.hasFocus() && shown });
  }
}

function choose(user) {
  current = clients.get(user);
  for (const button of document.querySelectorAll('.users button')) {
    button.setAttribute('aria-pressed', String(button.dataset.user === user));
  }
  toasts.clear();
  quietCounted = 0;
  showConnection();
  showCounts();
  showQuiet();
  showAway();
  inbox.show(current);
  presence();
  try {
    sessionStorage.setItem('belfry-page-user', user);
  } catch {
    // Then the first user is shown after a reload.
  }
}

function follow(client) {
  const shown = (act) => (event) => {
    if (client === current) act(event.detail);
  };
  const isOpen = (id) => {
    const state = client.items.get(id)?.state;
    return state !== undefined && !state.read && !state.archived;
  };
  client.addEventListener('state', shown(() => {
    showConnection();
    showQuiet();
  }));
  client.addEventListener('state', showCounts);
  client.addEventListener('items', showCounts);
  client.addEventListener('items', shown(() => {
    inbox.render();
    toasts.keepOnly(isOpen);
  }));
  client.addEventListener('alert', shown(({ alert }) => {
    pulse(dot, 'pulse');
    inbox.render(alert.id);
    if (!alert.quiet) toasts.alert(alert);
    else if (client.doNotDisturb.active) quietCounted++;
  }));
  client.addEventListener('caught-up', shown(({ alerts }) => {
    const loud = alerts.filter((alert) => !alert.quiet);
    if (loud.length === 1) toasts.alert(loud[0]);
    else if (loud.length > 1) toasts.say(`${loud.length} alerts while you were away`);
  }));
  client.addEventListener('frame', shown((detail) => showFrame(client.user, detail)));
  client.addEventListener('trouble', shown(({ message }) => (find('.connection').title = message)));
}

async function start() {
  const { ok, body: setup } = await call('dev/setup');
  if (!ok) throw new Error(setup?.detail ?? 'no setup');
  for (const user of setup.users) {
    const client = new Client({ base, user, mint });
    clients.set(user, client);
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.user = user;
    button.append(user, Object.assign(document.createElement('span'), { className: 'count', hidden: true }));
    button.onclick = () => choose(user);
    find('.users').append(button);
  }
  new Publish({ setup, base, post: call });
  new Caught({ call, base, mailKey: setup.mail_key });
  for (const client of clients.values()) follow(client);
  const last = sessionStorage.getItem('belfry-page-user');
  choose(clients.has(last) ? last : setup.users[0]);
  const wake = () => clients.forEach((client) => client.wake());
  addEventListener('online', wake);
  addEventListener('pageshow', ({ persisted }) => persisted && wake());
  addEventListener('pagehide', ({ persisted }) => persisted && clients.forEach((client) => client.sleep()));
  document.addEventListener('resume', wake);
  document.addEventListener('visibilitychange', () => {
    presence();
    if (document.visibilityState === 'visible') wake();
  });
  addEventListener('focus', presence);
  addEventListener('blur', presence);
  for (const client of clients.values()) client.connect();
}

start().catch((error) => {
  say('Offline');
  find('.connection').dataset.connection = 'offline';
  toasts.say('The page could not start', error.message);
});
