import { describe, expect, it } from 'vitest';
import { createElection, type Effect, type Election, type Head, type SeatEvent } from '../src/tabs/election.js';

/** An election with a clock of its own; ids count up. */
function seated(start = 1_000_000): Election & {
  at(ms: number): void;
  on(event: SeatEvent): Effect[];
  /** Lets time pass with every tick on its time. */
  pass(ms: number): Effect[];
  hear(head: Partial<Head> & { is: string }): Effect[];
} {
  let now = start;
  let ids = 0;
  const election = createElection(
    () => 0.5,
    () => `me${++ids}`,
  );
  const on = (event: SeatEvent): Effect[] => election.step(event, now);
  return {
    ...election,
    at(ms) {
      now += ms;
    },
    on,
    pass(ms) {
      const end = now + ms;
      const effects: Effect[] = [];
      while (election.seat.due <= end) {
        now = election.seat.due;
        effects.push(...on({ on: 'tick' }));
      }
      now = end;
      return effects;
    },
    hear: (head) => on({ on: 'heard', head: { term: 5, from: 'lea', n: 0, stuck: false, ...head } }),
  };
}

const joined = (visible = true): ReturnType<typeof seated> => {
  const tab = seated();
  tab.on({ on: 'look', visible });
  tab.on({ on: 'join' });
  return tab;
};
const following = (visible = true): ReturnType<typeof seated> => {
  const tab = joined(visible);
  tab.hear({ is: 'state', to: tab.seat.me, n: 10 });
  return tab;
};
const leading = (): ReturnType<typeof seated> => {
  const tab = joined();
  tab.on({ on: 'granted', term: 3 });
  return tab;
};

describe('joining', () => {
  it('enters, queues and asks for the state', () => {
    const tab = seated();
    expect(tab.on({ on: 'join' })).toEqual(['enter', 'hello']);
    expect(tab.seat.at).toBe('queued');
    expect(tab.on({ on: 'join' })).toEqual([]);
  });

  it('asks over HTTP when nobody answered for 300 ms, once', () => {
    const tab = joined(false);
    expect(tab.pass(299)).toEqual([]);
    expect(tab.pass(1)).toEqual(['alone']);
    expect(tab.pass(5_000)).toEqual([]);
  });

  it('takes the state of a leader that hung, although it had asked over HTTP', () => {
    const tab = joined(false);
    tab.pass(300);
    expect(tab.hear({ is: 'frame', n: 8 })).toEqual(['hello']);
    expect(tab.hear({ is: 'state', to: tab.seat.me, n: 8 })).toEqual(['take']);
    expect(tab.hear({ is: 'frame', n: 9 })).toEqual(['take']);
  });

  it('does not take the state meant for another tab', () => {
    const tab = joined();
    expect(tab.hear({ is: 'state', to: 'other', n: 8 })).not.toContain('take');
  });
});

describe('terms', () => {
  it('are one above what is stored, and never below the time', () => {
    const tab = joined();
    expect(tab.on({ on: 'granted', term: 3_000_000 })).toEqual(['claim', 'lead']);
    expect(tab.seat.term).toBe(3_000_001);
    const other = joined();
    other.on({ on: 'granted', term: 0 });
    expect(other.seat.term).toBe(1_000_001);
  });

  it('are one above what was heard', () => {
    const tab = following();
    tab.hear({ is: 'claim', term: 9_000_000, from: 'new' });
    tab.on({ on: 'granted', term: 3 });
    expect(tab.seat.term).toBe(9_000_001);
  });

  it('that are lower are dropped', () => {
    const tab = following();
    tab.hear({ is: 'claim', term: 6, from: 'new' });
    expect(tab.hear({ is: 'frame', term: 5, n: 11 })).toEqual([]);
    expect(tab.hear({ is: 'connection', term: 5 })).toEqual([]);
    expect(tab.seat.term).toBe(6);
  });

  it('that are lower are told of the present one by its leader', () => {
    const tab = leading();
    expect(tab.hear({ is: 'alive', term: 2, from: 'old' })).toEqual(['claim']);
    expect(tab.seat.at).toBe('leading');
  });

  it('that are higher end the lead: close, queue, ask', () => {
    const tab = leading();
    expect(tab.hear({ is: 'claim', term: 9_000_000 })).toEqual(['yield', 'queue', 'hello', 'take']);
    expect(tab.seat.at).toBe('queued');
  });

  it('that are equal, where nothing could be stored, leave one leader', () => {
    const [a, b] = [leading(), leading()];
    a.seat.me = 'a';
    b.seat.me = 'b';
    const { term } = a.seat;
    const lower = createElection(Math.random, () => 'a');
    lower.step({ on: 'join' }, 1_000_000);
    lower.step({ on: 'granted', term: 3 }, 1_000_000);
    const head = { is: 'claim', n: 0, stuck: false, term };
    expect(lower.step({ on: 'heard', head: { ...head, from: 'b' } }, 1_000_000)).toContain('yield');
    const higher = createElection(Math.random, () => 'b');
    higher.step({ on: 'join' }, 1_000_000);
    higher.step({ on: 'granted', term: 3 }, 1_000_000);
    expect(higher.step({ on: 'heard', head: { ...head, from: 'a' } }, 1_000_000)).toEqual(['claim']);
  });
});

describe('frames', () => {
  it('follow each other, and what was applied is dropped', () => {
    const tab = following();
    expect(tab.hear({ is: 'frame', n: 11 })).toEqual(['take']);
    expect(tab.hear({ is: 'frame', n: 11 })).toEqual([]);
  });

  it('after a gap are not applied before the state came', () => {
    const tab = following();
    expect(tab.hear({ is: 'frame', n: 12 })).toEqual(['hello']);
    expect(tab.hear({ is: 'frame', n: 13 })).toEqual([]);
    expect(tab.hear({ is: 'state', to: tab.seat.me, n: 13 })).toEqual(['take']);
    expect(tab.hear({ is: 'frame', n: 14 })).toEqual(['take']);
  });

  it('that were missed show in the next sign of life', () => {
    const tab = following();
    expect(tab.hear({ is: 'alive', n: 12 })).toEqual(['take', 'hello']);
  });

  it('of a new leader go on for whoever had all of the old one', () => {
    const tab = following();
    expect(tab.hear({ is: 'claim', term: 6, from: 'new' })).toEqual(['hello', 'take']);
    expect(tab.hear({ is: 'frame', term: 6, from: 'new', n: 1 })).toEqual(['take']);
  });

  it('of a new leader wait for its state where its claim was missed', () => {
    const tab = following();
    expect(tab.hear({ is: 'frame', term: 6, from: 'new', n: 1 })).toEqual(['hello']);
  });

  it('are asked for anew at a claim, since the old leader had no time to answer', () => {
    const tab = joined();
    expect(tab.hear({ is: 'claim', term: 6, from: 'new' })).toEqual(['hello', 'take']);
  });
});

describe('a visible follower', () => {
  it('probes every second, and steals within 1.8 s of a probe that nobody answered', () => {
    const tab = following();
    expect(tab.pass(999)).toEqual([]);
    expect(tab.pass(1)).toEqual(['probe']);
    expect(tab.pass(1_649)).toEqual([]);
    expect(tab.pass(1)).toEqual(['steal']);
  });

  it('steals from nobody who answers', () => {
    const tab = following();
    for (let second = 0; second < 20; second += 1) {
      expect(tab.pass(1_000)).toEqual(['probe']);
      expect(tab.hear({ is: 'alive', n: 10 })).toEqual(['take']);
    }
  });

  it('gives up a theft when the leader answers in the last moment', () => {
    const tab = following();
    tab.pass(1_000);
    tab.pass(1_600);
    tab.hear({ is: 'alive', n: 10 });
    expect(tab.pass(900)).toEqual([]);
  });

  it('gives one more round where it hung itself', () => {
    const tab = following();
    tab.pass(1_000);
    tab.at(4_000);
    expect(tab.on({ on: 'tick' })).toEqual(['probe']);
    expect(tab.pass(1_649)).toEqual([]);
    expect(tab.pass(1)).toEqual(['steal']);
  });

  it('waits for its turn, however often it is called before', () => {
    const tab = following();
    tab.pass(2_510);
    expect(tab.on({ on: 'tick' })).toEqual([]);
    expect(tab.pass(140)).toEqual(['steal']);
  });

  it('tries again when the theft failed', () => {
    const tab = following();
    tab.pass(2_650);
    expect(tab.pass(2_650)).toEqual(['probe', 'steal']);
  });

  it('takes over at once from a leader that is hidden and not connected', () => {
    const tab = following();
    tab.hear({ is: 'connection', n: 10, stuck: true });
    expect(tab.pass(149)).toEqual([]);
    expect(tab.pass(1)).toEqual(['steal']);
  });

  it('leaves a leader alone that is seen again', () => {
    const tab = following();
    tab.hear({ is: 'connection', n: 10, stuck: true });
    tab.hear({ is: 'alive', n: 10 });
    expect(tab.pass(900)).toEqual([]);
  });
});

describe('a hidden follower', () => {
  it('neither probes nor steals', () => {
    const tab = following(false);
    tab.hear({ is: 'connection', n: 10, stuck: true });
    expect(tab.pass(60_000)).toEqual([]);
  });

  it('probes at once when it is seen, and takes over what is stuck', () => {
    const tab = following(false);
    tab.hear({ is: 'connection', n: 10, stuck: true });
    expect(tab.on({ on: 'look', visible: true })).toEqual(['probe']);
    expect(tab.pass(150)).toEqual(['steal']);
  });
});

describe('a leader', () => {
  it('whose lock was stolen closes, queues and asks', () => {
    expect(leading().on({ on: 'lost' })).toEqual(['yield', 'queue', 'hello']);
  });

  it('never probes', () => {
    expect(leading().pass(60_000)).toEqual([]);
  });
});

describe('sleep', () => {
  it('closes everything; waking enters anew under another id', () => {
    const tab = leading();
    expect(tab.on({ on: 'sleep' })).toEqual(['yield', 'exit']);
    expect(tab.hear({ is: 'claim', term: 9_000_000 })).toEqual([]);
    expect(tab.on({ on: 'granted', term: 3 })).toEqual([]);
    expect(tab.on({ on: 'wake' })).toEqual(['enter', 'hello']);
    expect(tab.seat.me).toBe('me2');
  });

  it('wakes nobody who left', () => {
    const tab = leading();
    tab.on({ on: 'sleep' });
    tab.on({ on: 'leave' });
    expect(tab.on({ on: 'wake' })).toEqual([]);
    expect(tab.seat.at).toBe('out');
  });

  it('that no event told of ends the lead before anything that waited counts', () => {
    const tab = leading();
    tab.at(45_000);
    expect(tab.on({ on: 'tick' })).toEqual(['yield', 'exit', 'enter', 'hello']);
    expect(tab.seat.at).toBe('queued');
  });

  it('is not mistaken for the slow timers of a hidden page', () => {
    const tab = leading();
    tab.on({ on: 'look', visible: false });
    tab.at(70_000);
    expect(tab.on({ on: 'tick' })).toEqual([]);
  });

  it('does not outlast a clock that is set back', () => {
    const tab = following();
    tab.at(-3_600_000);
    expect(tab.on({ on: 'tick' })).toEqual(['exit', 'enter', 'hello']);
  });
});

it('leaving hands over', () => {
  expect(leading().on({ on: 'leave' })).toEqual(['yield', 'exit']);
  expect(following().on({ on: 'leave' })).toEqual(['exit']);
});
