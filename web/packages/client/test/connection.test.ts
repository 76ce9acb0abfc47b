import { closeCodes } from '@belfry/protocol';
import { describe, expect, it } from 'vitest';
import { type Act, createLife, type LifeEvent, type Policy } from '../src/connection.js';
import { failure } from '../src/failure.js';

const policy: Policy = {
  backoff: [1_000, 2_000, 5_000, 10_000, 30_000],
  jitter: 'full',
  maxAttempts: 10,
  afterMaxAttempts: 'probe',
  connectTimeoutMs: 10_000,
  stableAfterMs: 30_000,
  parkHiddenAfterMs: false,
};
const established: LifeEvent = { on: 'established', patience: 40_000, token: null };
const lost: LifeEvent = { on: 'end', code: 1006 };

/** A life with its own time: `now` moves only where a test says so. */
function lead(given: Partial<Policy> = {}, roll = 1) {
  const life = createLife({ ...policy, ...given });
  const its = {
    now: 1_000_000,
    acts: [] as Act[],
    on(event: LifeEvent): Act[] {
      const acts = life.on(event, its.now, roll);
      its.acts.push(...acts);
      return acts;
    },
    /** Waits for what is due next, and says how long that was. */
    wait(): number {
      const due = life.due();
      if (due === null) throw new Error('nothing is due');
      const ms = Math.max(due - its.now, 0);
      its.now += ms;
      its.on({ on: 'time' });
      return ms;
    },
    after(ms: number): Act[] {
      its.now += ms;
      return its.on({ on: 'time' });
    },
    get state() {
      return life.view('alone', 'websocket').state;
    },
    get due() {
      return life.due();
    },
    get error() {
      return life.view('alone', null).error;
    },
    names: () => its.acts.map(({ act }) => act),
  };
  return its;
}

/** Up and live. */
function live(given: Partial<Policy> = {}, roll = 1) {
  const its = lead(given, roll);
  its.on({ on: 'start' });
  its.on(established);
  its.on({ on: 'caught-up', yes: true });
  its.acts.length = 0;
  return its;
}

describe('waiting', () => {
  it('goes up the ladder and stays on its last rung, then probes every minute', () => {
    const its = lead();
    its.on({ on: 'start' });
    const waits = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      its.on(lost);
      waits.push(its.wait());
    }
    expect(waits).toEqual([
      1_000, 2_000, 5_000, 10_000, 30_000, 30_000, 30_000, 30_000, 30_000, 60_000, 60_000, 60_000,
    ]);
  });

  it.each([
    [0, 0],
    [0.25, 250],
    [0.999, 999],
  ])('draws each wait between nothing and all of it: a roll of %d waits %d ms', (roll, ms) => {
    const its = lead({}, roll);
    its.on({ on: 'start' });
    its.on(lost);
    expect(its.due).toBe(its.now + ms);
  });

  it('waits the whole time without jitter', () => {
    const its = lead({ jitter: 'none' }, 0.1);
    its.on({ on: 'start' });
    its.on(lost);
    expect(its.wait()).toBe(1_000);
  });

  it('is connecting at first, retrying after a failure, offline after the tenth, and live again in one step', () => {
    const its = lead();
    its.on({ on: 'start' });
    expect(its.state).toBe('connecting');
    const states = [];
    for (let attempt = 1; attempt <= 10; attempt++) {
      its.on(lost);
      states.push(its.state);
      its.wait();
    }
    expect(states).toEqual([...Array(9).fill('retrying'), 'offline']);
    expect(its.state).toBe('offline');
    its.on(established);
    its.on({ on: 'caught-up', yes: true });
    expect(its.state).toBe('live');
    expect(its.error).toBeNull();
  });

  it('stops after the last attempt where the application says so', () => {
    const its = lead({ maxAttempts: 2, afterMaxAttempts: 'stop' });
    its.on({ on: 'start' });
    its.on(lost);
    its.wait();
    its.on(lost);
    expect(its.state).toBe('stopped');
    expect(its.due).toBeNull();
  });

  it('probes only while somebody looks, and at once when somebody does', () => {
    const its = lead({ maxAttempts: 1 });
    its.on({ on: 'start' });
    its.on(lost);
    its.on({ on: 'visible', visible: false });
    expect(its.due).toBeNull();
    expect(its.on({ on: 'visible', visible: true })).toEqual([{ act: 'dial', reason: 'connect' }]);
  });

  it('starts over only after a connection that was stable', () => {
    const its = lead();
    its.on({ on: 'start' });
    for (let attempt = 0; attempt < 3; attempt++) {
      its.on(lost);
      its.wait();
    }
    its.on(established);
    its.now += 29_999;
    its.on({ on: 'heard' });
    its.on(lost);
    expect(its.wait()).toBe(10_000);
    its.on(established);
    its.now += 30_000;
    its.on(lost);
    expect(its.wait()).toBe(1_000);
  });

  it('gives up an attempt that takes too long', () => {
    const its = lead();
    its.on({ on: 'start' });
    expect(its.wait()).toBe(10_000);
    expect(its.names()).toEqual(['dial', 'close']);
    expect(its.state).toBe('retrying');
  });
});

describe('waking up', () => {
  it.each<LifeEvent>([{ on: 'wake' }, { on: 'retry-now' }])('$on ends a wait', (event) => {
    const its = live();
    its.on(lost);
    expect(its.on(event)).toEqual([{ act: 'dial', reason: 'connect' }]);
    expect(its.on(event)).toEqual([]);
  });

  it('does not shorten a wait that the server named, but a person does', () => {
    const its = live();
    its.on({ on: 'going-away', afterMs: 8_000 });
    its.on({ on: 'end', code: 4000 });
    expect(its.due).toBe(its.now + 8_000);
    expect(its.on({ on: 'wake' })).toEqual([]);
    expect(its.on({ on: 'visible', visible: true })).toEqual([]);
    expect(its.on({ on: 'retry-now' })).toEqual([{ act: 'dial', reason: 'connect' }]);
  });

  it('does not bring back one that was told to stop', () => {
    const its = live();
    its.on({ on: 'end', code: 4501 });
    expect(its.on({ on: 'wake' })).toEqual([]);
    expect(its.on({ on: 'visible', visible: false })).toEqual([]);
    expect(its.on({ on: 'visible', visible: true })).toEqual([]);
    expect(its.state).toBe('stopped');
    expect(its.on({ on: 'retry-now' })).toEqual([{ act: 'dial', reason: 'connect' }]);
  });

  it('does not start what nobody wants', () => {
    const its = live();
    expect(its.on({ on: 'stop' })).toEqual([{ act: 'close' }]);
    expect(its.on({ on: 'wake' })).toEqual([]);
    expect(its.on({ on: 'retry-now' })).toEqual([]);
    expect(its.state).toBe('idle');
  });

  it('asks an open link whether it still lives, and leaves it where no answer comes in two seconds', () => {
    const its = live();
    expect(its.on({ on: 'wake' })).toEqual([{ act: 'probe' }]);
    expect(its.on({ on: 'wake' })).toEqual([]);
    expect(its.wait()).toBe(2_000);
    expect(its.names()).toEqual(['probe', 'close']);
    expect(its.state).toBe('retrying');
  });

  it('keeps a link that answers', () => {
    const its = live();
    its.on({ on: 'wake' });
    its.now += 1_999;
    its.on({ on: 'heard' });
    its.after(1);
    expect(its.state).toBe('live');
    expect(its.names()).toEqual(['probe']);
  });
});

describe('the heartbeat', () => {
  it('leaves a link that is silent for interval and timeout, without waiting for its close', () => {
    const its = live();
    expect(its.wait()).toBe(40_000);
    expect(its.names()).toEqual(['close']);
    expect(its.error?.code).toBe('connection-lost');
  });

  it('is put off by anything that is heard', () => {
    const its = live();
    its.now += 39_999;
    its.on({ on: 'heard' });
    its.after(1);
    expect(its.names()).toEqual([]);
    expect(its.due).toBe(its.now + 39_999);
  });

  it('gives one round of grace where the timer itself came late: the laptop slept', () => {
    const its = live();
    expect(its.after(3_600_000)).toEqual([{ act: 'probe' }]);
    its.on({ on: 'heard' });
    expect(its.state).toBe('live');
    expect(its.after(3_600_000)).toEqual([{ act: 'probe' }]);
    expect(its.wait()).toBe(2_000);
    expect(its.names()).toEqual(['probe', 'probe', 'close']);
  });
});

describe('closes', () => {
  it.each(closeCodes.filter(({ number }) => number !== 4305).map((code) => [code.number, code.advice] as const))(
    '%d: %s',
    (code, advice) => {
      const its = live();
      its.on({ on: 'end', code });
      if (advice === 'stop') {
        expect(its.state).toBe('stopped');
        expect(its.due).toBeNull();
        return;
      }
      expect(its.state).toBe('retrying');
      // A token that ran out is no sign of trouble: it does not wait.
      expect(its.wait()).toBe(advice === 'authenticate' ? 0 : 1_000);
      expect(its.acts.at(-1)).toEqual({ act: 'dial', reason: advice === 'authenticate' ? 'rejected' : 'connect' });
    },
  );

  it.each([
    [1001, 'retrying'],
    [1006, 'retrying'],
    [1012, 'retrying'],
    [4399, 'retrying'],
    [4499, 'retrying'],
    [4599, 'stopped'],
    [4999, 'stopped'],
  ])('the range decides for codes that come later: %d', (code, state) => {
    const its = live();
    its.on({ on: 'end', code });
    expect(its.state).toBe(state);
  });

  it('stops when a fresh token is refused as well', () => {
    const its = live();
    its.on({ on: 'end', code: 4401 });
    its.wait();
    its.on({ on: 'end', code: 4402 });
    expect(its.state).toBe('stopped');
    expect(its.names().filter((act) => act === 'dial')).toHaveLength(1);
  });

  it('forgets a refused token once another one was taken', () => {
    const its = live();
    for (let round = 0; round < 3; round++) {
      its.on({ on: 'end', code: 4402 });
      its.wait();
      its.on(established);
      its.now += 30_000;
      its.on({ on: 'heard' });
    }
    expect(its.state).toBe('catching-up');
  });

  it.each([
    ['unauthorized', 'authenticate'],
    ['token-expired', 'authenticate'],
    ['token-revoked', 'authenticate'],
    ['user-blocked', 'stop'],
    ['origin-not-allowed', 'stop'],
    ['version-not-supported', 'stop'],
    ['draining', 'reconnect'],
    ['frame-invalid', 'reconnect'],
  ] as const)('an error frame stands for the close that a proxy swallowed: %s', (code, advice) => {
    const its = live();
    its.on({ on: 'error', error: failure(code) });
    its.on(lost);
    expect(its.state).toBe(advice === 'stop' ? 'stopped' : 'retrying');
    if (advice !== 'stop') its.wait();
    if (advice === 'authenticate') expect(its.acts.at(-1)).toEqual({ act: 'dial', reason: 'rejected' });
    expect(its.error?.code).toBe(code);
  });

  it('an error frame that was followed by others says nothing of the close', () => {
    const its = live();
    its.on({ on: 'error', error: failure('user-blocked') });
    its.on({ on: 'heard' });
    its.on(lost);
    expect(its.state).toBe('retrying');
  });

  it('waits as long as an error frame says', () => {
    const its = live();
    its.on({ on: 'error', error: failure('rate-limited', 'slow down', { retryAfterMs: 7_000 }) });
    its.on({ on: 'end', code: 4004 });
    expect(its.on({ on: 'wake' })).toEqual([]);
    expect(its.wait()).toBe(7_000);
  });

  it('waits as long as an answer over HTTP says', () => {
    const its = lead();
    its.on({ on: 'start' });
    its.on({ on: 'end', code: 1006, error: failure('overloaded', 'full', { retryAfterMs: 3_000 }) });
    expect(its.wait()).toBe(3_000);
  });

  it('a hidden one that was replaced is paused until somebody looks', () => {
    const its = live();
    its.on({ on: 'visible', visible: false });
    its.on({ on: 'end', code: 4305 });
    expect(its.state).toBe('paused');
    expect(its.due).toBeNull();
    expect(its.on({ on: 'wake' })).toEqual([]);
    expect(its.on({ on: 'visible', visible: true })).toEqual([{ act: 'dial', reason: 'connect' }]);
  });

  it('a visible one that was replaced takes its time: two at the limit do not push each other out in turns', () => {
    const its = live();
    its.on({ on: 'end', code: 4305 });
    expect(its.state).toBe('retrying');
    expect(its.wait()).toBe(30_000);
  });

  it('what is said after the end is not heard', () => {
    const its = live();
    its.on(lost);
    const due = its.due;
    expect(its.on({ on: 'end', code: 4501 })).toEqual([]);
    its.on({ on: 'caught-up', yes: true });
    expect(its.due).toBe(due);
    expect(its.state).toBe('retrying');
  });
});

describe('tokens', () => {
  it('are renewed when four fifths of their life are over, and again after as long', () => {
    const its = lead();
    its.on({ on: 'start' });
    its.on({ on: 'established', patience: 1e9, token: 900_000 });
    expect(its.wait()).toBe(720_000);
    expect(its.names()).toEqual(['dial', 'renew']);
    its.on({ on: 'renewed', token: null });
    expect(its.wait()).toBe(720_000);
  });

  it('are asked for again soon where that failed', () => {
    const its = lead();
    its.on({ on: 'start' });
    its.on({ on: 'established', patience: 1e9, token: 100_000 });
    its.wait();
    its.on({ on: 'renew-failed' });
    expect(its.wait()).toBe(8_000);
    expect(its.names()).toEqual(['dial', 'renew', 'renew']);
  });

  it('that live for a moment or for ever do not spin', () => {
    const its = lead();
    its.on({ on: 'start' });
    its.on({ on: 'established', patience: 1e12, token: 0 });
    expect(its.wait()).toBe(1_000);
    its.on({ on: 'renewed', token: 1e15 });
    expect(its.wait()).toBe(30 * 86_400_000);
  });

  it('are still renewed while a probe is out', () => {
    const its = lead();
    its.on({ on: 'start' });
    its.on({ on: 'established', patience: 40_000, token: 1_250 });
    its.on({ on: 'wake' });
    expect(its.wait()).toBe(1_000);
    expect(its.names()).toEqual(['dial', 'probe', 'renew']);
    expect(its.due).toBe(its.now + 1_000);
  });
});

describe('parking', () => {
  it('closes a connection that was hidden for long, and opens it when somebody looks', () => {
    const its = live({ parkHiddenAfterMs: 60_000 });
    its.on({ on: 'visible', visible: false });
    its.now += 30_000;
    its.on({ on: 'heard' });
    expect(its.wait()).toBe(30_000);
    expect(its.state).toBe('paused');
    expect(its.names()).toEqual(['close']);
    its.on({ on: 'visible', visible: true });
    expect(its.names()).toEqual(['close', 'dial']);
  });

  it('never happens where it is off', () => {
    const its = live();
    its.on({ on: 'visible', visible: false });
    its.now += 39_000;
    its.on({ on: 'heard' });
    expect(its.due).toBe(its.now + 40_000);
  });
});
