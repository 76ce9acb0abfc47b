// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Rig, rig, shared } from './world/attention.js';

/** As much of WebAudio as a chime needs; `allowed` is whether the browser lets it run. */
class FakeContext extends EventTarget {
  static allowed = true;
  static made: FakeContext[] = [];
  state = 'suspended';
  currentTime = 0;
  destination = {};
  started = 0;
  constructor() {
    super();
    FakeContext.made.push(this);
  }
  /** Like a browser that never settles it where it may not sound. */
  resume(): Promise<void> {
    if (!FakeContext.allowed) return new Promise(() => {});
    this.state = 'running';
    this.dispatchEvent(new Event('statechange'));
    return Promise.resolve();
  }
  createGain() {
    const gain = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
    return { gain, connect: (to: unknown) => to };
  }
  createOscillator() {
    return {
      frequency: { value: 0 },
      connect: (to: unknown) => to,
      start: () => {
        this.started += 1;
      },
      stop() {},
    };
  }
}

let reduced = false;
let tab: Rig | undefined;
beforeEach(() => {
  FakeContext.allowed = true;
  FakeContext.made = [];
  reduced = false;
  vi.stubGlobal('AudioContext', FakeContext);
  vi.stubGlobal('matchMedia', () => ({ matches: reduced }));
});
afterEach(() => {
  tab?.attention.stop();
  vi.unstubAllGlobals();
});

const settle = async (): Promise<void> => {
  await vi.dynamicImportSettled();
  await tab?.clock.settle();
};
const start = (...[options, common]: Parameters<typeof rig>): Rig => {
  tab = rig(options ?? {}, common);
  tab.present();
  return tab;
};
const gesture = async (): Promise<void> => {
  window.dispatchEvent(new Event('pointerdown'));
  await settle();
};
const arrive = async (id: string): Promise<void> => {
  tab?.arrive({ id });
  await settle();
};
/** A chime is two notes. */
const chimes = (): number => FakeContext.made.reduce((sum, context) => sum + context.started, 0) / 2;

describe('the chime', () => {
  it('is blocked until the first gesture, and what came before does not sound after', async () => {
    const { attention, shown } = start();
    expect(attention.sound.get()).toEqual({ enabled: true, blocked: true });
    await arrive('a');
    expect(FakeContext.made).toEqual([]);
    await gesture();
    expect(attention.sound.get()).toEqual({ enabled: true, blocked: false });
    expect(chimes()).toBe(0);
    await tab?.clock.advance(2_000);
    await arrive('b');
    expect(shown[1]?.sound).toBe(true);
    expect(chimes()).toBe(1);
  });

  it('that did not arrive is a sound less and no fault, and the next gesture asks again', async () => {
    const real = await vi.importActual<typeof import('../src/attention/chime.js')>('../src/attention/chime.js');
    let away = true;
    vi.doMock('../src/attention/chime.js', () => {
      if (away) throw new Error('the network is away');
      return real;
    });
    vi.resetModules();
    const { createSound } = await import('../src/attention/sound.js');
    const told: unknown[] = [];
    const storage = { getItem: () => null, setItem() {}, removeItem() {} };
    const host = { user: () => 'ann', report: (error: unknown) => told.push(error) };
    const sound = createSound({ browser: { storage } } as never, host as never);
    const stop = sound.start();
    await gesture();
    sound.play();
    expect([sound.state.get().blocked, told]).toEqual([true, []]);
    away = false;
    vi.resetModules();
    vi.doMock('../src/attention/chime.js', () => real);
    await gesture();
    expect([sound.state.get().blocked, told]).toEqual([false, []]);
    stop();
    vi.doUnmock('../src/attention/chime.js');
  });

  it('stays blocked in a browser that never lets it run, and nothing waits for it', async () => {
    FakeContext.allowed = false;
    const { attention, shown } = start();
    await gesture();
    await gesture();
    expect(FakeContext.made).toHaveLength(1);
    expect(attention.sound.get().blocked).toBe(true);
    await arrive('a');
    expect(shown).toHaveLength(1);
    expect(chimes()).toBe(0);
  });

  it('sounds at most once in two seconds', async () => {
    const { clock, shown } = start();
    await gesture();
    for (const id of ['a', 'b']) await arrive(id);
    await clock.advance(1_999);
    await arrive('c');
    expect(chimes()).toBe(1);
    await clock.advance(1);
    await arrive('d');
    expect(chimes()).toBe(2);
    expect(shown.map(({ sound }) => sound)).toEqual([true, false, false, true]);
  });

  it('is silent where less motion is wanted', async () => {
    reduced = true;
    const { shown } = start();
    await gesture();
    await arrive('a');
    expect([chimes(), shown[0]?.sound]).toEqual([0, false]);
  });

  it('is silent where the application wants none, and no switch turns it on', async () => {
    const { attention, shown } = start({ sound: false });
    attention.setSound(true);
    await gesture();
    await arrive('a');
    expect(attention.sound.get()).toEqual({ enabled: false, blocked: false });
    expect([FakeContext.made.length, shown[0]?.sound]).toEqual([0, false]);
  });

  it('does not go with what the presenter refused', async () => {
    tab = rig({});
    tab.present(() => false);
    await gesture();
    await arrive('a');
    expect(chimes()).toBe(0);
  });

  it('listens to nothing after the last hold', async () => {
    start().attention.stop();
    await gesture();
    expect(FakeContext.made).toEqual([]);
  });
});

describe('the switch', () => {
  it('is kept per user', async () => {
    const common = shared();
    start({}, common).attention.setSound(false);
    expect(tab?.attention.sound.get().enabled).toBe(false);
    tab?.attention.stop();
    expect(start({}, common).attention.sound.get().enabled).toBe(false);
    tab?.attention.stop();
    const bob = start({}, common);
    bob.user = 'bob';
    bob.arrive({ id: 'x' }, 'page');
    expect(bob.attention.sound.get().enabled).toBe(true);
  });

  it('off is silent', async () => {
    const { attention } = start();
    await gesture();
    attention.setSound(false);
    await arrive('a');
    expect(chimes()).toBe(0);
  });

  it('on can be heard at once: the click unlocks it', async () => {
    const { attention } = start();
    attention.setSound(true);
    await settle();
    expect(attention.sound.get()).toEqual({ enabled: true, blocked: false });
    expect(chimes()).toBe(1);
  });

  it('follows another tab', async () => {
    const common = shared();
    const { attention } = start({}, common);
    common.stored.set('belfry/sound/ann', 'off');
    window.dispatchEvent(new Event('storage'));
    expect(attention.sound.get().enabled).toBe(false);
  });
});

describe('the application’s own sound', () => {
  it('may be a function', async () => {
    const play = vi.fn();
    start({ sound: play });
    await arrive('a');
    expect(play).not.toHaveBeenCalled();
    await gesture();
    await tab?.clock.advance(2_000);
    await arrive('b');
    expect(play).toHaveBeenCalledTimes(1);
    expect(FakeContext.made).toEqual([]);
  });

  it('may be a file; where it is refused, it says that it is blocked', async () => {
    const play = vi.fn(async () => {});
    const urls: string[] = [];
    vi.stubGlobal(
      'Audio',
      class {
        play = play;
        constructor(url: string) {
          urls.push(url);
        }
      },
    );
    const { attention, clock } = start({ sound: '/ding.mp3' });
    await gesture();
    await arrive('a');
    expect([urls, play.mock.calls.length]).toEqual([['/ding.mp3'], 1]);
    play.mockRejectedValue(new DOMException('no', 'NotAllowedError'));
    await clock.advance(2_000);
    await arrive('b');
    expect(attention.sound.get().blocked).toBe(true);
  });
});
