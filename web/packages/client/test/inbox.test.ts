import { readdirSync, readFileSync } from 'node:fs';
import type { CatchUp, ChangedTo, ClientFrame, ServerMessage } from '@belfry/protocol';
import { parseServerMessage } from '@belfry/protocol';
import { describe, expect, it } from 'vitest';
import { ask, createInbox, type Inbox, type Outcome, place, receive, startAt, takeAcks } from '../src/inbox.js';
import type { AnyAlert } from '../src/types.js';
import { headsOf, ModelServer } from './support/model-server.js';
import { seeded } from './support/random.js';

const CHANGES: ChangedTo[] = ['seen', 'read', 'unread', 'archived', 'unarchived', 'acted'];

/** A client and a server with a bad line between them. */
class World {
  readonly server = new ModelServer();
  readonly inbox: Inbox = createInbox();
  readonly told: AnyAlert[] = [];
  /** What the list is complete above. */
  floor = { user: 0, all: 0 };
  /** On the way to the server. */
  up: ClientFrame[] = [];

  constructor(
    readonly random: () => number,
    readonly max: number | null,
  ) {
    this.server.page = 1 + this.below(4);
    this.connect();
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** Everything under way is lost. */
  connect(): void {
    this.server.down = [];
    this.server.live = false;
    this.up = [];
    this.take(this.server.established());
  }

  take(frame: ServerMessage): void {
    const before = this.inbox.at && { ...this.inbox.at };
    this.follow(receive(this.inbox, frame));
    const after = this.inbox.at;
    if (before && after && !('type' in frame && frame.type === 'reset')) {
      if (after.user < before.user || after.all < before.all) throw new Error('the position went back');
    }
  }

  follow(out: Outcome): void {
    if (out.unplaced) {
      place(this.inbox, this.server.inbox(new URLSearchParams({ limit: '3' })));
      this.floor = headsOf(this.server.cursor());
      this.ask();
    }
    if (out.reset) {
      this.floor = headsOf(out.reset.complete_to);
      this.told.length = 0;
    }
    for (const alert of out.arrived) {
      const last = this.told.findLast((one) => one.stream === alert.stream);
      if (last && alert.seq <= last.seq) throw new Error(`${alert.id} was told twice or out of order`);
      this.told.push(alert);
    }
    if (out.abandon) this.connect();
    else if (out.resume) this.up.push(out.resume);
    this.up.push(...takeAcks(this.inbox).map((data): ClientFrame => ({ type: 'ack', data })));
  }

  ask(): void {
    const frame = ask(this.inbox);
    if (frame) this.up.push(frame);
  }

  serverReads(): void {
    for (const frame of this.up.splice(0)) {
      if (frame.type === 'ack') this.server.acks.push(frame.data);
      else if (frame.type === 'resume') this.server.resume(frame.data.cursor, this.max);
    }
  }

  deliver(): boolean {
    const frame = this.server.next();
    if (frame) this.take(frame);
    return !!frame;
  }

  step(): void {
    const { server } = this;
    const here = server.entries.filter((entry) => !entry.left);
    const one = here[this.below(Math.max(here.length, 1))];
    const roll = this.below(33);
    if (roll < 6) server.publish({ stream: this.below(4) === 0 ? 'all' : 'user' });
    else if (roll < 7) server.publish(one?.stream === 'user' ? { replaces: one } : {});
    else if (roll < 11) one && server.change([one], CHANGES[this.below(CHANGES.length)] ?? 'read');
    else if (roll < 12) server.readUpTo();
    else if (roll < 14) one && server.recall(one);
    else if (roll < 20) for (let frames = 1 + this.below(5); frames > 0; frames--) this.deliver();
    else if (roll < 23) this.serverReads();
    else if (roll < 24) this.withFront(() => server.down.shift());
    else if (roll < 25) this.withFront((front) => server.down.unshift(front));
    else if (roll < 26) this.swap();
    else if (roll < 27) server.live && server.down.push(server.ping());
    else if (roll < 28) server.live && server.lag(1 + this.below(5));
    else if (roll < 29) this.up = this.up.filter(({ type }) => type === 'ack' || !server.live);
    else if (roll < 31) this.impatience();
    else this.connect();
  }

  impatience(): void {
    if (this.inbox.asking) this.ask();
  }

  withFront(change: (front: ServerMessage) => void): void {
    const front = this.server.down[0];
    if (front && !('rest' in front) && 'seq' in front) change(front);
  }

  swap(): void {
    const [first, second] = this.server.down;
    if (!first || !second || !('seq' in first) || !('seq' in second) || first.stream !== second.stream) return;
    this.server.down.splice(0, 2, second, first);
  }

  /** Lets everything arrive; a heartbeat or two find what was lost at the end. */
  settle(): void {
    for (let round = 0; round < 4; round++) {
      this.impatience();
      this.serverReads();
      this.server.down.push(this.server.ping());
      for (let frames = 0; this.deliver(); frames++) {
        this.serverReads();
        if (frames > 5_000) throw new Error('client and server keep each other busy for ever');
      }
    }
  }

  check(): void {
    const { server, inbox } = this;
    expect(inbox.at, 'stands at the head').toEqual({ epoch: server.epoch, ...server.heads });
    expect(inbox.unread, 'unread').toBe(server.unread);
    for (const entry of server.entries) {
      const row = inbox.rows.get(entry.id);
      if (entry.left) expect(row, `${entry.id} left and is still here`).toBeUndefined();
      else if (row) expect(row.state, entry.id).toEqual(entry.state);
      else expect(entry.seq, `${entry.id} is missing`).toBeLessThanOrEqual(this.floor[entry.stream]);
    }
  }

  /** Nothing is confirmed that never came here and is still there to come; what came is confirmed. */
  checkReceipts(): void {
    const { acks, entries } = this.server;
    const told = new Set(this.told.map(({ id }) => id));
    for (const { id, stream, seq, left } of entries) {
      const confirmed = acks.some(
        (ack) => ack.ids?.includes(id) || (ack.stream === stream && seq > (ack.after ?? 0) && seq <= (ack.up_to ?? 0)),
      );
      if (told.has(id)) expect(confirmed, `${id} was told and not confirmed`).toBe(true);
      else if (!left && seq > this.floor[stream]) expect(confirmed, `${id} was confirmed and not told`).toBe(false);
    }
    for (const { after, up_to } of acks) if (up_to !== undefined) expect(up_to).toBeGreaterThan(after ?? up_to);
  }
}

describe('whatever is lost, doubled, swapped or cut off on the way', () => {
  it.each([null, 4])('the client ends with the server’s state (at most %s missing)', (max) => {
    for (let seed = 1; seed <= 800; seed++) {
      const random = seeded(seed * 7 + (max ?? 0));
      const world = new World(random, max);
      try {
        for (let steps = world.below(120); steps > 0; steps--) world.step();
        world.settle();
        world.check();
        world.checkReceipts();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});

describe('an inbox', () => {
  const server = new ModelServer();
  const first = server.publish();
  const second = server.publish();
  const placed = (): Inbox => {
    const inbox = createInbox();
    place(inbox, server.inbox());
    return inbox;
  };

  it('asks for its first page before it stands anywhere', () => {
    const inbox = createInbox();
    const out = receive(inbox, server.established());
    expect(out.unplaced).toEqual({ epoch: server.epoch, user: 2, all: 0 });
    expect(out.resume).toBeUndefined();
    expect(ask(inbox)).toBeNull();
  });

  it('confirms the first page by its ids, and what follows as a range', () => {
    const inbox = placed();
    expect(takeAcks(inbox)).toEqual([{ ids: [second.id, first.id], level: 'received' }]);
    expect(takeAcks(inbox)).toEqual([]);
    receive(inbox, { ...server.item(first), id: 'id-3', seq: 3, unread: 3 });
    receive(inbox, { ...server.item(first), id: 'id-4', seq: 4, unread: 4 });
    expect(takeAcks(inbox)).toEqual([{ stream: 'user', after: 2, up_to: 4, level: 'received' }]);
  });

  it('confirms again after a reconnection, and after the server passed over frames', () => {
    const inbox = placed();
    receive(inbox, { ...server.item(first), id: 'id-3', seq: 3, unread: 3 });
    const all = takeAcks(inbox);
    const data = { code: 'rate-limited' as const, message: '', docs: '' };
    receive(inbox, { type: 'error', data, timestamp: '' });
    expect(takeAcks(inbox)).toEqual(all);
    receive(inbox, server.established({ head: `${server.epoch}.3.0` }));
    expect(takeAcks(inbox)).toEqual(all);
  });

  it('confirms nothing of its own numbering where the server has another', () => {
    const inbox = placed();
    receive(inbox, { ...server.item(first), id: 'id-3', seq: 3, unread: 3 });
    receive(inbox, server.established({ head: 'ffff.9.9' }));
    expect(takeAcks(inbox)).toEqual([]);
  });

  it('names at most 256 ids in one frame', () => {
    const many = new ModelServer();
    for (let n = 0; n < 300; n++) many.publish();
    const inbox = createInbox();
    place(inbox, many.inbox(new URLSearchParams({ limit: '300' })));
    expect(takeAcks(inbox).map((ack) => ack.ids?.length)).toEqual([256, 44]);
  });

  it('keeps an object as it is until something about it changes', () => {
    const inbox = placed();
    const before = inbox.rows.get(first.id);
    for (const item of server.inbox().items) receive(inbox, { ...item, unread: 2 });
    expect(inbox.rows.get(first.id)).toBe(before);
    const change = { ids: [first.id], state: 'read' as const };
    const data = { changes: [change], unread: 1 };
    const out = receive(inbox, { type: 'inbox-changed', stream: 'user', seq: 3, data, timestamp: '' });
    expect([...out.changed]).toEqual([first.id]);
    expect(inbox.rows.get(first.id)).not.toBe(before);
    expect(inbox.rows.get(second.id)?.state.read).toBe(false);
  });

  it('starts at a position that was kept, and its receipts begin there', () => {
    const inbox = createInbox();
    startAt(inbox, { epoch: server.epoch, user: 1, all: 0 });
    const out = receive(inbox, server.established());
    expect(out.resume).toEqual({ type: 'resume', data: { cursor: `${server.epoch}.1.0`, max: 500 } });
    server.resume(`${server.epoch}.1.0`, 500);
    const answer = server.next();
    const caught = answer && receive(inbox, answer);
    expect(caught?.how).toBe('catch-up');
    expect(caught?.arrived.map(({ id }) => id)).toEqual([second.id]);
    expect(takeAcks(inbox)).toEqual([{ stream: 'user', after: 1, up_to: 2, level: 'received' }]);
  });

  it('fetches announcements that were marked before they came', () => {
    const inbox = placed();
    const changes = [{ up_to: `${server.epoch}.2.3`, state: 'read' as const }];
    const data = { changes, unread: 0 };
    const out = receive(inbox, { type: 'inbox-changed', stream: 'user', seq: 3, data, timestamp: '' });
    expect(out.resume).toBeDefined();
    expect(inbox.at?.user).toBe(2);
  });

  describe('that has asked and waits for the answer', () => {
    const asking = (): Inbox => {
      const inbox = placed();
      ask(inbox);
      return inbox;
    };

    it('takes nothing that comes before it: the answer begins where the question was asked', () => {
      const inbox = asking();
      const out = receive(inbox, { ...server.item(first), id: 'id-3', seq: 3, unread: 3 });
      expect([out.arrived, out.resume, inbox.at?.user]).toEqual([[], undefined, 2]);
      const items = [{ ...server.item(first), id: 'id-3', seq: 3, version: 3 }];
      const covers = { after: server.cursor(), to: `${server.epoch}.3.0` };
      const data = { changes: [], items, covers, unread: 3, more: false } as CatchUp;
      const answer = receive(inbox, { type: 'catch-up', data, timestamp: '' });
      expect([answer.arrived.map(({ id }) => id), inbox.at?.user, inbox.asking]).toEqual([['id-3'], 3, false]);
    });

    it('does not ask again for what a heartbeat, a change or an older answer shows', () => {
      const inbox = asking();
      const heads = { user: 9, all: 0 };
      expect(receive(inbox, { type: 'ping', data: { heads, unread: 9 }, timestamp: '' }).resume).toBeUndefined();
      const changes = [{ up_to: `${server.epoch}.2.3`, state: 'read' as const }];
      const changed = { type: 'inbox-changed', stream: 'user', seq: 3, data: { changes, unread: 0 } } as const;
      expect(receive(inbox, { ...changed, timestamp: '' }).resume).toBeUndefined();
      const covers = { after: `${server.epoch}.1.0`, to: `${server.epoch}.9.0` };
      const data = { changes: [], items: [], covers, unread: 0, more: false };
      expect(receive(inbox, { type: 'catch-up', data, timestamp: '' }).resume).toBeUndefined();
      expect([inbox.at?.user, inbox.asking, inbox.fruitless]).toEqual([2, true, 0]);
    });
  });

  it('leaves a server that never fills a gap', () => {
    const inbox = placed();
    const outcomes = [];
    for (let seq = 6; seq < 12; seq++) {
      outcomes.push(receive(inbox, { ...server.item(first), id: 'x', seq, unread: 1 }));
      const at = server.cursor();
      const data = { changes: [], items: [], covers: { after: at, to: at }, unread: 0, more: false };
      receive(inbox, { type: 'catch-up', data, timestamp: '' });
    }
    expect(outcomes.map((out) => !!out.resume)).toEqual([true, true, true, false, false, false]);
    expect(outcomes.some((out) => out.abandon)).toBe(true);
  });

  it('sets an answer that it set aside aside to its end', () => {
    const inbox = createInbox();
    startAt(inbox, { epoch: 'e', user: 7, all: 0 });
    const page = (after: number, to: number, more: boolean): Outcome =>
      receive(inbox, {
        type: 'catch-up',
        data: { changes: [], items: [], covers: { after: `e.${after}.0`, to: `e.${to}.0` }, unread: 0, more },
        timestamp: '',
      });
    page(3, 7, true);
    expect(page(7, 9, false).resume).toBeDefined();
    expect(inbox.at?.user).toBe(7);
    page(7, 9, false);
    expect(inbox.at?.user).toBe(9);
  });

  it('forgets everything at a reset, and starts with its page', () => {
    const inbox = placed();
    const item = { ...server.item(first), id: 'other', seq: 9, version: 9 };
    const data = {
      cursor: 'ffff.9.0',
      unread: 1,
      items: [item],
      next: null,
      reason: 'epoch-foreign' as const,
    };
    const out = receive(inbox, { type: 'reset', data, timestamp: '' });
    expect([...inbox.rows.keys()]).toEqual(['other']);
    expect([...out.changed].sort()).toEqual([first.id, second.id]);
    expect(out.arrived).toEqual([]);
    expect(takeAcks(inbox)).toEqual([{ ids: ['other'], level: 'received' }]);
  });

  it('is plain data: another tab goes on with a copy', () => {
    const inbox = placed();
    const copy = structuredClone(inbox);
    for (const one of [inbox, copy]) receive(one, { ...server.item(first), id: 'id-3', seq: 3, unread: 3 });
    expect(copy).toEqual(inbox);
  });
});

describe('the golden frames', () => {
  const folder = new URL('../../../../crates/belfry-protocol/fixtures/', import.meta.url);
  const frame = (name: string): ServerMessage => {
    const message = parseServerMessage(readFileSync(new URL(name, folder), 'utf8'));
    if (!message) throw new Error(`${name} is no frame`);
    return message;
  };
  const at = (user: number, all: number): Inbox => {
    const inbox = createInbox();
    startAt(inbox, { epoch: '9f1c22ab00e1d2c3', user, all });
    return inbox;
  };

  it('are all taken', () => {
    const names = readdirSync(folder).filter((name) => /^(server|alert)\./.test(name));
    expect(names.length).toBeGreaterThan(14);
    for (const name of names) expect(() => receive(at(42, 7), frame(name)), name).not.toThrow();
  });

  it('a live alert of each stream', () => {
    const inbox = at(41, 6);
    expect(receive(inbox, frame('alert.user.json')).arrived.map(({ kind }) => kind)).toEqual(['deal-notification']);
    expect(receive(inbox, frame('alert.all.json')).arrived.map(({ stream }) => stream)).toEqual(['all']);
    expect(inbox.at).toEqual({ epoch: '9f1c22ab00e1d2c3', user: 42, all: 7 });
    expect(inbox.unread).toBe(4);
  });

  it('one that takes the place of another', () => {
    const inbox = at(41, 7);
    const replaced = receive(inbox, frame('alert.user.json')).arrived[0]?.id ?? '';
    const out = receive(inbox, frame('alert.replaces.json'));
    expect([...out.changed]).toEqual([replaced]);
    expect([...inbox.rows.keys()]).toEqual(out.arrived.map(({ id }) => id));
    expect(out.arrived[0]?.quiet).toBe(true);
  });

  it('what was missed, and changes that follow', () => {
    const inbox = at(42, 6);
    const out = receive(inbox, frame('server.catch-up.json'));
    expect(out.arrived.map(({ seq }) => seq)).toEqual([46, 7]);
    expect(inbox.at).toEqual({ epoch: '9f1c22ab00e1d2c3', user: 46, all: 7 });
    receive(inbox, frame('server.inbox-changed.all.json'));
    expect([...inbox.rows.values()].map(({ stream }) => stream)).toEqual(['user']);
    expect(inbox.unread).toBe(0);
  });

  it('do-not-disturb', () => {
    const inbox = at(42, 7);
    receive(inbox, frame('server.settings-changed.json'));
    expect(inbox.settings?.active).toBe(true);
  });
});
