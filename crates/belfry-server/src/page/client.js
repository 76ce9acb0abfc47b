// A small client of `belfry.v1`: one user, one socket that comes back by itself, and nothing of the page.
// It emits `state`, `items`, `alert`, `caught-up`, `frame` and `trouble`.

import { Items, cursorText } from './items.js';

const SUBPROTOCOL = 'belfry.v1';
const BACK_OFF_MS = [1_000, 2_000, 5_000, 10_000, 30_000];
/** Failed attempts until the word is "Offline"; it goes on probing all the same. */
const ATTEMPTS_MAX = 10;
const PROBE_EVERY_MS = 60_000;
/** A connection that lasted this long starts the back-off anew. */
const STABLE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 2_000;
const RENEW_BEFORE_MS = 60_000;
const OUTBOX_MAX = 100;
const RESUME_MAX = 500;
/** What an `error` frame says of the close that follows, where a proxy swallows its code. */
const VERDICTS = {
  unauthorized: 4401,
  'token-expired': 4402,
  'token-revoked': 4403,
  'user-blocked': 4501,
  'origin-not-allowed': 4502,
  'version-not-supported': 4503,
  replaced: 4305,
};
/** A change and the frame that asks for it. */
const FRAME_OF = { seen: 'seen', read: 'read', unread: 'unread', archived: 'archive', unarchived: 'unarchive', acted: 'acted' };

export class Client extends EventTarget {
  user;
  items = new Items();
  /** `connecting`, `live`, `reconnecting`, `offline`, `stopped`. */
  connection = 'connecting';
  doNotDisturb = { active: false, until: null, schedule: [], time_zone: null };

  #base;
  #mint;
  #token = null;
  #socket = null;
  #generation = 0;
  #attempts = 0;
  #hintMs = null;
  #verdict = null;
  #timers = {};
  #heartbeat = { interval_ms: 30_000, timeout_ms: 10_000 };
  #heardAt = 0;
  #established = false;
  #catchingUp = false;
  /** Where this connection started, and how far it was confirmed. */
  #start = null;
  #confirmed = null;
  #pageIds = [];
  #missed = [];
  #outbox = [];
  #waiting = false;
  #parked = false;
  #away = false;
  #presence = { visible: true, focused: true };

  /** `mint(user)` gives `{token, expires_at}`; `base` is the path the server is mounted under. */
  constructor({ base, user, mint }) {
    super();
    this.#base = base;
    this.user = user;
    this.#mint = mint;
    try {
      this.items.load(JSON.parse(sessionStorage.getItem(this.#storageKey)));
    } catch {
      // Storage may be refused, or hold something else: the first page is fetched then.
    }
  }

  connect() {
    if (!this.#socket && !this.#waiting) this.#dial();
  }

  /** The network, the tab or a person says that it may work now. A delay the server asked for is kept. */
  wake() {
    if (this.connection === 'stopped') return;
    if (this.#parked || (this.#timers.retry && this.#hintMs === null)) this.#dial();
    else if (this.#established) this.#probe();
  }

  /** Before the page is frozen: a socket held open would only be cut. */
  sleep() {
    this.#save();
    if (this.#socket) this.#lost(4000);
  }

  /** As if the tab were gone, until `comeBack`. */
  leave() {
    this.#away = true;
    this.sleep();
    this.#clear('retry');
    this.#become('offline');
  }

  comeBack() {
    this.#away = false;
    this.#dial();
  }

  setPresence(presence) {
    this.#presence = presence;
    this.#send('presence', presence);
  }

  /** `seen`, `read`, `unread`, `archived`, `unarchived`, `acted`. Waits for the connection where there is none. */
  mark(ids, to) {
    if (ids.length === 0) return;
    this.items.expect(ids, to);
    this.#ask(FRAME_OF[to], { ids });
    this.#emit('items');
  }

  /** Everything that is here: what arrives meanwhile stays unread. */
  markAllRead() {
    if (!this.items.cursor) return;
    this.#ask('read', { up_to: cursorText(this.items.cursor) });
  }

  /** These alerts were shown to somebody who was there. */
  displayed(ids) {
    if (ids.length > 0) this.#ask('ack', { ids, level: 'displayed' });
  }

  async setDoNotDisturb(until) {
    const { schedule, time_zone } = this.doNotDisturb;
    const body = { until: until?.toISOString() ?? null, schedule, time_zone: schedule.length ? time_zone : null };
    await this.#call('v1/do-not-disturb', { method: 'PUT', body: JSON.stringify(body) });
  }

  async loadOlder() {
    if (!this.items.next) return;
    const page = await this.#call(`v1/inbox?limit=50&before=${encodeURIComponent(this.items.next)}`);
    this.items.applyPage(page, false);
    this.#emit('items');
  }

  // ---- opening

  async #dial() {
    if (this.#away) return;
    this.#clear('retry');
    this.#parked = false;
    this.#hintMs = null;
    this.#waiting = true;
    const generation = ++this.#generation;
    if (this.connection === 'offline') this.#become('offline');
    else this.#become(this.connection === 'connecting' ? 'connecting' : 'reconnecting');
    try {
      const token = await this.#freshToken();
      if (!this.items.cursor) await this.#firstPage();
      if (generation === this.#generation) this.#open(token);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#waiting = false;
      this.#trouble(error.message);
      this.#later();
    }
  }

  #open(token) {
    const url = new URL(`${this.#base}/ws`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url, [SUBPROTOCOL, `bearer.${token}`]);
    this.#waiting = false;
    this.#socket = socket;
    this.#verdict = null;
    this.#established = false;
    const mine = (act) => (event) => {
      if (this.#socket === socket) act(event);
    };
    socket.onmessage = mine(({ data }) => this.#hear(data));
    socket.onclose = mine(({ code }) => this.#lost(code));
    this.#after('connect', CONNECT_TIMEOUT_MS, () => this.#lost(4001));
  }

  async #freshToken() {
    const soon = Date.now() + RENEW_BEFORE_MS / 2;
    if (!this.#token || Date.parse(this.#token.expires_at) < soon) this.#token = await this.#mint(this.user);
    return this.#token.token;
  }

  async #firstPage() {
    const page = await this.#call('v1/inbox?limit=100');
    this.items.applyPage(page, true);
    this.#pageIds = page.items.map((item) => item.id);
    this.#emit('items');
  }

  async #call(path, init = {}) {
    const headers = { authorization: `Bearer ${await this.#freshToken()}`, 'content-type': 'application/json' };
    const answer = await fetch(`${this.#base}/${path}`, { ...init, headers });
    const body = await answer.json().catch(() => null);
    if (answer.status === 401) this.#token = null;
    if (!answer.ok) throw new Error(body?.detail ?? `the server answered ${answer.status}`);
    return body;
  }

  // ---- frames

  #hear(text) {
    this.#heardAt = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    this.#emit('frame', { direction: 'in', frame });
    const { type, data } = frame;
    switch (type) {
      case 'connection-established':
        return this.#begin(data);
      case 'catch-up':
        return this.#caughtUp(data);
      case 'reset':
        return this.#reset(data);
      case 'inbox-changed':
        return this.#live(frame);
      case 'settings-changed':
        this.doNotDisturb = data.do_not_disturb;
        return this.#emit('state');
      case 'ping':
        return this.#onPing(data);
      case 'pong':
        return undefined;
      case 'going-away':
        this.#hintMs = data.reconnect_after_ms;
        return undefined;
      case 'error':
        return this.#onError(data);
      default:
        if (type.startsWith('belfry.') || !frame.stream) return undefined;
        return this.#live(frame);
    }
  }

  #begin(data) {
    this.#clear('connect');
    if (data.user_id !== this.user) {
      // Never show frames of another user.
      this.#trouble('the token belongs to another user');
      return this.#lost(4501);
    }
    this.#established = true;
    this.#heartbeat = data.heartbeat;
    this.doNotDisturb = data.do_not_disturb;
    this.items.unread = data.unread;
    this.#renewIn(data.token_expires_at);
    this.#watch();
    this.#after('stable', STABLE_MS, () => (this.#attempts = 0));
    this.#send('presence', this.#presence);
    this.#start = { ...this.items.cursor };
    this.#confirmed = { ...this.items.cursor };
    this.#resume();
    if (this.#pageIds.length > 0) {
      this.#send('ack', { ids: this.#pageIds.splice(0), level: 'received' });
    }
    for (const [type, wish] of this.#outbox.splice(0)) this.#send(type, wish);
  }

  #resume() {
    this.#catchingUp = true;
    this.#missed = [];
    this.#send('resume', { cursor: cursorText(this.items.cursor), max: RESUME_MAX });
  }

  #caughtUp(data) {
    this.#missed.push(...this.items.applyCatchUp(data));
    this.#applied();
    if (!data.more) this.#goLive();
  }

  #reset(data) {
    this.items.applyReset(data);
    this.#start = { ...this.items.cursor };
    this.#confirmed = { ...this.items.cursor };
    this.#send('ack', { ids: data.items.map((item) => item.id), level: 'received' });
    this.#applied();
    this.#goLive();
  }

  #goLive() {
    this.#catchingUp = false;
    this.#become('live');
    const missed = this.#missed.splice(0).filter((item) => !item.state?.read && !item.state?.archived);
    if (missed.length > 0) this.#emit('caught-up', { alerts: missed });
  }

  #live(frame) {
    const outcome = this.items.applyLive(frame);
    // Live frames stand side by side; where one is missing the server is told how far we are.
    if (outcome === 'hole' && !this.#catchingUp) this.#resume();
    if (outcome !== 'applied') return;
    this.#applied();
    if (frame.type !== 'inbox-changed') this.#emit('alert', { alert: this.items.get(frame.id) ?? frame });
  }

  #onPing(data) {
    this.#send('pong', data);
    if (this.#catchingUp) return;
    this.items.unread = data.unread;
    this.#emit('state');
    const { cursor } = this.items;
    if (data.heads.user > cursor.user || data.heads.all > cursor.all) this.#resume();
  }

  #onError(data) {
    this.#verdict = VERDICTS[data.code] ?? this.#verdict;
    this.#hintMs = data.retry_after_ms ?? this.#hintMs;
    this.#trouble(data.message);
  }

  /** After frames changed the list: save the position with it, and confirm what arrived. */
  #applied() {
    this.#emit('items');
    this.#timers.save ??= setTimeout(() => this.#save(), 200);
    this.#timers.ack ??= setTimeout(() => this.#confirm(), 100);
  }

  #confirm() {
    this.#clear('ack');
    const { cursor } = this.items;
    for (const stream of ['user', 'all']) {
      if (!this.#confirmed || cursor[stream] <= this.#confirmed[stream]) continue;
      const range = { stream, after: this.#start[stream], up_to: cursor[stream], level: 'received' };
      if (this.#send('ack', range)) this.#confirmed[stream] = cursor[stream];
    }
  }

  #send(type, data) {
    if (!this.#established || this.#socket?.readyState !== WebSocket.OPEN) return false;
    const frame = { type, data };
    this.#socket.send(JSON.stringify(frame));
    this.#emit('frame', { direction: 'out', frame });
    return true;
  }

  /** What may be said late: all of it is idempotent. */
  #ask(type, data) {
    if (!this.#send(type, data) && this.#outbox.length < OUTBOX_MAX) this.#outbox.push([type, data]);
  }

  // ---- life and death of the link

  /** Nothing within a heartbeat and its grace: the link is dead, whatever the browser says of it. */
  #watch() {
    const limit = this.#heartbeat.interval_ms + this.#heartbeat.timeout_ms;
    const wait = Math.max(1_000, limit - (Date.now() - this.#heardAt));
    const due = Date.now() + wait;
    this.#after('watch', wait, () => {
      const silent = Date.now() - this.#heardAt;
      // A timer that is late itself was throttled or frozen, and tells nothing: ask.
      if (silent >= limit && Date.now() - due < 2_000) return this.#lost(4001);
      if (silent >= limit) this.#probe();
      return this.#watch();
    });
  }

  #probe() {
    if (this.#timers.probe) return;
    const asked = Date.now();
    this.#send('ping', 'are you there');
    this.#after('probe', ANSWER_TIMEOUT_MS, () => {
      if (this.#heardAt < asked) this.#lost(4001);
    });
  }

  #renewIn(expiresAt) {
    if (!expiresAt) return;
    const wait = Math.max(5_000, Date.parse(expiresAt) - Date.now() - RENEW_BEFORE_MS);
    this.#after('renew', Math.min(wait, 2 ** 31 - 1), async () => {
      try {
        this.#token = await this.#mint(this.user);
        this.#send('authenticate', { token: this.#token.token });
        this.#renewIn(this.#token.expires_at);
      } catch (error) {
        this.#trouble(error.message);
        this.#renewIn(new Date(Date.now() + RENEW_BEFORE_MS + 10_000).toISOString());
      }
    });
  }

  #lost(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#established = false;
    this.#catchingUp = false;
    this.#generation++;
    for (const name of ['connect', 'watch', 'probe', 'renew', 'stable', 'ack']) this.#clear(name);
    // A dead link never says `close` in time: it is left behind.
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close();
    const verdict = code >= 4000 ? code : (this.#verdict ?? code);
    if (verdict >= 4500 && verdict < 5000) return this.#become('stopped');
    if (verdict >= 4400 && verdict < 4500) this.#token = null;
    if (verdict === 4305 && document.visibilityState === 'hidden') {
      this.#parked = true;
      return this.#become('reconnecting');
    }
    return this.#later();
  }

  #later() {
    this.#attempts++;
    const hopeless = this.#attempts > ATTEMPTS_MAX;
    const step = hopeless ? PROBE_EVERY_MS : BACK_OFF_MS[Math.min(this.#attempts, BACK_OFF_MS.length) - 1];
    const wait = this.#hintMs ?? Math.random() * step;
    this.#become(hopeless ? 'offline' : 'reconnecting');
    this.#after('retry', wait, () => this.#dial());
  }

  // ---- small things

  get #storageKey() {
    return `belfry-page${this.#base}/${this.user}`;
  }

  /** Position and list go together, and only after they were applied. */
  #save() {
    this.#clear('save');
    try {
      sessionStorage.setItem(this.#storageKey, JSON.stringify(this.items.save()));
    } catch {
      // Full or refused: a reload then fetches the first page.
    }
  }

  #become(connection) {
    this.connection = connection;
    this.#emit('state');
  }

  #trouble(message) {
    this.#emit('trouble', { message });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #after(name, ms, act) {
    this.#clear(name);
    this.#timers[name] = setTimeout(() => {
      this.#timers[name] = undefined;
      act();
    }, ms);
  }

  #clear(name) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = undefined;
  }
}
