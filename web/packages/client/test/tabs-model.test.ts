import { describe, expect, it } from 'vitest';
import { Server, Tab } from './world/tab.js';
import { World } from './world/world.js';

const USERS = ['ann', 'bob'];
const SEEDS = Number(process.env['BELFRY_SEEDS'] ?? 200);
const FIRST = Number(process.env['BELFRY_SEED'] ?? 1);

/** What happened to a tab that excuses an alert from being presented by it. */
interface Fate {
  readonly tab: Tab;
  /** Killed, reloaded, or of another user by now. */
  lost: boolean;
}

async function story(seed: number): Promise<void> {
  const world = new World(seed);
  const server = new Server(world);
  const { random } = world;
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const fates: Fate[] = [];
  const terms = new Map<string, Tab>();
  const held = new Set<Tab>();
  let opened = 0;

  const open = (): void => {
    opened += 1;
    const version = random() < 0.1 ? { version: 'https://app.test/v2' } : {};
    const tab = new Tab(world, server, `tab${opened}`, {
      user: random() < 0.85 ? 'ann' : 'bob',
      visible: random() < 0.6,
      presenter: random() < 0.8,
      ...version,
    });
    tab.refuses = random() < 0.1;
    fates.push({ tab, lost: false });
    tab.join();
  };
  const end = (fate: Fate): void => {
    fate.lost = true;
    world.kill(fate.tab.process);
    for (const socket of server.sockets)
      if (socket.tab === fate.tab) Object.assign(socket, { open: false, live: false });
  };
  const check = (): void => {
    for (const socket of server.sockets) {
      const key = `${socket.user} ${socket.tab.setup.version} ${socket.term}`;
      const leader = terms.get(key) ?? socket.tab;
      terms.set(key, leader);
      if (leader !== socket.tab) throw new Error(`two tabs lead term ${key}`);
    }
    const open = server.sockets.filter((socket) => socket.open);
    const keys = open.map((socket) => `${socket.user} ${socket.tab.setup.version} ${socket.term}`);
    expect(keys.length, 'sockets of a term').toBe(new Set(keys).size);
  };
  const alive = (): Fate[] => fates.filter(({ tab }) => !tab.process.dead);
  const hold = (tab: Tab, ms: number): void => {
    tab.process.held = true;
    held.add(tab);
    world.task(clock, 'chaos', ms, () => {
      tab.process.held = false;
    });
  };
  const clock = world.process('chaos');

  const chaos: (() => void)[] = [
    open,
    () => end(pick(alive())),
    // A reload: the page is gone, and comes back with nothing.
    () => {
      end(pick(alive()));
      open();
    },
    // SIGSTOP, and a main thread that hangs: no event tells of it.
    () => hold(pick(alive()).tab, random() * 20_000),
    () => hold(pick(alive()).tab, 3_000),
    () => hold(pick(alive()).tab, 40_000),
    // Chromium freezes: the page hears of it, and stops.
    () => {
      const { tab } = pick(alive());
      tab.look(false);
      tab.fire('document', 'freeze');
      world.task(clock, 'chaos', 50, () => hold(tab, 5_000));
      world.task(clock, 'chaos', 6_000, () => tab.fire('document', 'resume'));
    },
    // The back-forward cache.
    () => {
      const { tab } = pick(alive());
      tab.fire('window', 'pagehide', { persisted: true });
      world.task(clock, 'chaos', 50, () => hold(tab, 4_000));
      world.task(clock, 'chaos', 5_000, () => tab.fire('window', 'pageshow', { persisted: true }));
    },
    () => {
      const fate = pick(alive());
      fate.lost = true;
      fate.tab.identify(pick(USERS));
    },
    () => {
      const { tab } = pick(alive());
      tab.look(!tab.visible);
    },
    () => {
      const { tab } = pick(alive());
      tab.act(() => tab.window.dispatchEvent(new Event('keydown')));
    },
    () => {
      const { tab } = pick(alive());
      tab.ask({ do: 'send', type: 'note', data: `${tab.name} ${tab.asked.length}` });
    },
  ];

  for (let count = 1 + Math.floor(random() * 4); count > 0; count -= 1) open();
  for (let moment = 0; moment < 25; moment += 1) {
    await world.run(random() * 2_500);
    if (random() < 0.6) server.publish(pick(USERS));
    if (alive().length === 0) open();
    if (random() < 0.5) pick(chaos)();
    check();
  }
  // Everything comes to rest: whoever can run does, and somebody looks at one tab of each user. But one tab may be
  // stopped for good, with all that it holds.
  await world.run(50_000);
  const stopped = random() < 0.4 ? pick(alive()) : null;
  if (stopped) Object.assign(stopped, { lost: true }).tab.process.held = true;
  const running = alive().filter((fate) => fate !== stopped);
  for (const { tab } of running) tab.look(true);
  await world.run(5_000);
  for (const user of USERS) server.publish(user);
  await world.run(15_000);
  check();

  for (const { tab } of running) {
    expect(tab.cursor, `${tab.name} has everything`).toBe(server.log.get(tab.user)?.length ?? 0);
  }
  const groups = new Set(running.map(({ tab }) => `${tab.user} ${tab.setup.version}`));
  const sockets = server.sockets.filter((socket) => socket.open && socket.tab !== stopped?.tab);
  expect(sockets.length, 'one socket per user and version').toBe(groups.size);

  const presented = fates.flatMap(({ tab }) => tab.presented);
  expect(presented.length, 'nothing twice').toBe(new Set(presented).size);
  for (const log of server.log.values()) {
    for (const { id } of log) {
      const witnesses = fates.filter(({ tab }) => tab.arrived.has(id) && (tab.setup.presenter ?? true));
      // A tab that claimed it and was stopped before it could say that it does not show it keeps the claim.
      const excused = witnesses.some(({ tab, lost }) => lost || tab.late.has(id) || (tab.refuses && held.has(tab)));
      const refusing = witnesses.filter(({ tab }) => tab.refuses).length;
      if (excused || refusing === witnesses.length || refusing > 3) continue;
      expect(presented.includes(id), `${id} was presented`).toBe(true);
    }
  }
  for (const { tab, lost } of fates) {
    if (lost) continue;
    for (const request of tab.asked) expect(server.done, `${tab.name}'s request was done`).toContainEqual(request);
  }
}

describe('tabs under a hostile browser', () => {
  it(`keep their promises in ${SEEDS} stories`, { timeout: 600_000 }, async () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      await story(seed).catch((error) => {
        throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      });
    }
  });
});
