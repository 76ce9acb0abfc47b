/** One tab of the world: the real tabs and the real presenting, with a client between them that is as small as can be. */

import { createAttention } from '../../src/attention/presenter.js';
import { createTabs, tabsName } from '../../src/tabs/shared.js';
import type { Tabs, TabsHost, Upstream } from '../../src/tabs/tabs.js';
import type { AnyAlert, Connection } from '../../src/types.js';
import type { Process, World } from './world.js';

/** A frame of the model's server: one alert. */
export interface Frame {
  readonly id: string;
  readonly seq: number;
  readonly user: string;
  readonly createdAt: number;
  readonly how: 'live' | 'catch-up';
}

export interface Socket {
  readonly tab: Tab;
  readonly user: string;
  /** The highest term known to the tab when it was opened; the one it leads in. */
  readonly term: number;
  open: boolean;
  live: boolean;
}

/** The server of the model: alerts of each user in order, and who is connected. */
export class Server {
  readonly log = new Map<string, Frame[]>();
  readonly sockets: Socket[] = [];
  readonly done: Upstream[] = [];

  constructor(readonly world: World) {}

  publish(user: string): Frame {
    const log = this.log.get(user) ?? [];
    this.log.set(user, log);
    const seq = log.length + 1;
    const frame: Frame = {
      id: `${user}-${String(seq).padStart(5, '0')}`,
      seq,
      user,
      createdAt: this.world.now,
      how: 'live',
    };
    log.push(frame);
    for (const socket of this.sockets) if (socket.live && socket.user === user) this.#send(socket, frame);
    return frame;
  }

  connect(tab: Tab, user: string, term: number): Socket {
    const socket: Socket = { tab, user, term, open: true, live: false };
    this.sockets.push(socket);
    this.world.task(tab.process, 'socket', 20 + this.world.hop(), () => {
      if (!socket.open) return;
      socket.live = true;
      tab.connected(socket);
      for (const frame of (this.log.get(user) ?? []).slice(tab.cursor))
        this.#send(socket, { ...frame, how: 'catch-up' });
    });
    return socket;
  }

  #send(socket: Socket, frame: Frame): void {
    this.world.task(socket.tab.process, 'socket', this.world.hop(), () => {
      if (socket.open) socket.tab.framed(frame);
    });
  }
}

const connection = (state: Connection['state'], now: number): Connection => ({
  state,
  since: now,
  isConnected: state === 'live',
  isConnecting: state === 'connecting' || state === 'retrying',
  attempts: 0,
  retryAt: null,
  error: null,
  role: 'leader',
  transport: null,
});

export interface TabSetup {
  readonly user: string;
  readonly version?: string;
  readonly visible?: boolean;
  readonly presenter?: boolean;
  readonly present?: 'once' | 'every-tab';
  readonly shared?: boolean;
  readonly locks?: 'refused' | 'absent';
  readonly channels?: 'refused';
}

export class Tab {
  readonly process: Process;
  readonly window = new EventTarget();
  readonly document = new EventTarget();
  readonly states: Connection[] = [];
  readonly arrived = new Set<string>();
  /** Of those, what was too old to be presented by itself. */
  readonly late = new Set<string>();
  readonly presented: string[] = [];
  readonly asked: Upstream[] = [];
  readonly adopted: (number | null)[] = [];
  signedOut = 0;
  user: string;
  visible: boolean;
  focused = false;
  cursor = 0;
  refuses = false;
  tabs: Tabs;
  attention: ReturnType<typeof createAttention>;
  socket: Socket | null = null;

  constructor(
    readonly world: World,
    readonly server: Server,
    readonly name: string,
    readonly setup: TabSetup,
  ) {
    this.process = world.process(name);
    this.user = setup.user;
    this.visible = setup.visible ?? true;
    this.tabs = this.#open();
    this.attention = this.#attend();
  }

  /** What the tab itself does runs as one of its tasks. */
  act(run: () => void): void {
    this.world.task(this.process, 'page', 0, run);
  }
  join(): this {
    this.act(() => {
      this.attention.start();
      this.tabs.join();
    });
    return this;
  }
  leave(): void {
    this.act(() => {
      this.attention.stop();
      void this.tabs.leave();
    });
  }
  look(visible: boolean): void {
    this.act(() => {
      this.visible = visible;
      this.document.dispatchEvent(new Event('visibilitychange'));
    });
  }
  fire(target: 'window' | 'document', type: string, facts: object = {}): void {
    this.act(() => this[target].dispatchEvent(Object.assign(new Event(type), facts)));
  }
  identify(user: string): void {
    this.act(() => {
      this.attention.stop();
      void this.tabs.leave();
      this.user = user;
      this.cursor = 0;
      this.tabs = this.#open();
      this.attention = this.#attend();
      this.attention.start();
      this.tabs.join();
    });
  }
  ask(request: Upstream): void {
    this.act(() => {
      this.asked.push(request);
      this.tabs.request(request);
    });
  }

  connected(socket: Socket): void {
    if (this.socket === socket) this.#announce('live');
  }
  framed(frame: Frame): void {
    this.tabs.broadcast(frame as never);
  }

  #announce(state: Connection['state']): void {
    this.states.push(connection(state, this.world.now));
    this.tabs.announce(connection(state, this.world.now));
  }
  #browser() {
    const { world } = this;
    return {
      clock: {
        now: () => world.now,
        // Browsers let the timers of hidden pages wait for the next full second.
        setTimeout: (run: () => void, ms: number) => {
          const task = world.task(this.process, 'timers', this.visible ? ms : Math.ceil(ms / 1000) * 1000, run);
          return task;
        },
        clearTimeout: (task: unknown) => {
          const at = this.process.tasks.indexOf(task as never);
          if (at >= 0) this.process.tasks.splice(at, 1);
        },
      },
      random: world.random,
      storage: {
        getItem: (key: string) => world.stored.get(key) ?? null,
        setItem: (key: string, value: string) => void world.stored.set(key, value),
        removeItem: (key: string) => void world.stored.delete(key),
      },
      visible: () => this.visible,
      focused: () => this.focused,
      base: new URL('https://app.test/'),
    };
  }
  #open(): Tabs {
    const { world, setup, user } = this;
    const ours = (): boolean => this.tabs === opened;
    const host: TabsHost = {
      lead: () => {
        if (!ours()) return;
        if (this.socket) throw new Error(`${this.name} leads twice`);
        this.socket = this.server.connect(this, user, Number(world.stored.get(`${name}/term`)));
        this.#announce('connecting');
      },
      yield: () => {
        if (this.socket) Object.assign(this.socket, { open: false, live: false });
        this.socket = null;
      },
      receive: (message) => {
        const frame = message as unknown as Frame;
        if (frame.user !== this.user) throw new Error(`${this.name} of ${this.user} got a frame of ${frame.user}`);
        if (frame.seq <= this.cursor) return;
        this.cursor = frame.seq;
        this.arrived.add(frame.id);
        if (world.now - frame.createdAt > 60_000) this.late.add(frame.id);
        this.attention.arrived([alertOf(frame)], frame.how);
      },
      follow: (now) => void this.states.push(now),
      state: () => ({
        inbox: { cursor: this.cursor },
        connection: connection(this.socket?.live ? 'live' : 'connecting', world.now),
      }),
      adopt: (state) => {
        const cursor = (state?.inbox as { cursor: number } | undefined)?.cursor ?? null;
        this.adopted.push(cursor);
        if (state) this.states.push(state.connection);
        if (cursor !== null) this.cursor = Math.max(this.cursor, cursor);
        else {
          world.task(this.process, 'rest', 10, () => {
            // A leader's page would be news to nobody but itself.
            if (!ours() || this.tabs.role === 'leader') return;
            this.cursor = Math.max(this.cursor, this.server.log.get(user)?.length ?? 0);
          });
        }
      },
      upstream: (request) => {
        if (!this.socket?.live) return false;
        this.server.done.push(request);
        return true;
      },
      signedOut: () => {
        this.signedOut += 1;
        void this.tabs.leave();
      },
    };
    const name = tabsName('', setup.version ?? 'https://app.test/', user);
    const opened = createTabs(
      {
        name,
        shared: setup.shared ?? true,
        browser: this.#browser(),
        window: this.window,
        document: this.document,
        locks: () => {
          if (setup.locks === 'absent') return undefined as never;
          if (setup.locks) return { request: () => Promise.reject(new DOMException('no', 'SecurityError')) };
          return world.locks(this.process);
        },
        channel: (name) => {
          if (setup.channels) throw new DOMException('no', 'SecurityError');
          return world.channel(this.process)(name);
        },
      },
      host,
    );
    return opened;
  }
  #attend() {
    const { world, setup } = this;
    const { user } = this;
    const attention = createAttention(
      {
        browser: this.#browser(),
        presence: () => this.tabs.presence(),
        onPresence: (listener) => this.tabs.onPresence(listener),
        claims: world.claims(this.process),
        sound: false,
        ...(setup.present ? { present: setup.present } : {}),
      },
      {
        user: () => user,
        current: (id) => alertOf((this.server.log.get(user) ?? []).find((frame) => frame.id === id) as Frame),
        doNotDisturb: () => ({ active: false, until: null, schedule: [], timeZone: null }),
        unread: () => ({ get: () => 0, subscribe: () => () => {} }),
        serverNow: () => world.now,
        displayed: (ids) => {
          const request: Upstream = { do: 'ack', ids };
          this.asked.push(request);
          this.tabs.request(request);
        },
        open: () => {},
        report: (error) => {
          throw error;
        },
      },
    );
    if (setup.presenter ?? true) {
      attention.onPresent((presentation) => {
        if (this.refuses) return false;
        if (presentation.alert) this.presented.push(presentation.alert.id);
        return undefined;
      });
    }
    return attention;
  }
}

/** What the client would have made of a frame. */
export const alertOf = (frame: Frame): AnyAlert => ({
  id: frame.id,
  kind: 'note',
  data: {},
  title: frame.id,
  body: null,
  severity: 'info',
  category: 'notes',
  link: null,
  image: null,
  actions: [],
  thread: null,
  createdAt: new Date(frame.createdAt).toISOString(),
  expiresAt: null,
  quiet: false,
  stream: 'user',
  seq: frame.seq,
  state: { seen: false, read: false, archived: false, acted: false },
});
