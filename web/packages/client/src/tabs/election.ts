/**
 * Which tab leads, and whether a follower has everything that the leader told. Pure: events in, effects out; time and
 * chance are arguments.
 */

/** One tab's place among the tabs of its name. */
interface Seat {
  /** Another one at every entrance, so that what concerns an earlier life of this tab is not taken for this one. */
  me: string;
  at: 'out' | 'asleep' | 'queued' | 'leading';
  /** The highest term heard of. */
  term: number;
  /** The leader's last frame that was applied here; in the leader, the last one sent. */
  n: number;
  /** When to be called again. */
  due: number;
}

/** The head of everything a leader says. */
export interface Head {
  readonly is: string;
  readonly term: number;
  readonly from: string;
  /** How many frames it sent in this term, this one included. */
  readonly n: number;
  /** It is hidden and not connected: its timers are too slow to get it there. */
  readonly stuck: boolean;
  /** Of a state: for whom. */
  readonly to?: string;
}

export type SeatEvent =
  | { on: 'join' | 'leave' | 'sleep' | 'wake' | 'lost' | 'tick' }
  /** The lock is this tab's; `term` is the highest one stored. */
  | { on: 'granted'; term: number }
  | { on: 'look'; visible: boolean }
  | { on: 'heard'; head: Head };

/**
 * | effect | does |
 * |---|---|
 * | `enter`, `exit` | takes part: channel, own lock, queue for the lead; lets go of all of it |
 * | `queue` | lets go of the lead and queues again |
 * | `lead`, `yield` | opens, closes the connection |
 * | `claim` | tells the term, and stores it |
 * | `hello`, `probe` | asks for the state, for a sign of life |
 * | `steal` | takes the lead from whoever has it |
 * | `alone` | nobody gave a state |
 * | `take` | what was heard holds |
 */
export type Effect =
  | 'enter'
  | 'exit'
  | 'queue'
  | 'lead'
  | 'yield'
  | 'claim'
  | 'hello'
  | 'probe'
  | 'steal'
  | 'alone'
  | 'take';

export interface Election {
  readonly seat: Seat;
  /** What follows from an event. */
  step(event: SeatEvent, now: number): Effect[];
}

const HELLO_MS = 300;
const PROBE_EVERY_MS = 1_000;
const PROBE_MS = 1_500;
const JITTER_MS = 300;
/** A timer that is this late says that this tab hung, not the leader. */
const GRACE_MS = 500;
const LOOK_MS = 10_000;
/** Browsers run the timers of hidden pages once a minute. */
const JUMP_VISIBLE_MS = 30_000;
const JUMP_HIDDEN_MS = 90_000;

/** A tab that takes no part yet. `id` gives another id each time. */
export function createElection(random: () => number, id: () => string): Election {
  const seat: Seat = { me: '', at: 'out', term: 0, n: 0, due: 0 };
  let visible = false;
  let leader = '';
  /** Every frame up to `n` was applied, or was part of a state. */
  let synced = false;
  /** The client was given a state since the entrance, or told that there is none. */
  let adopted = false;
  let stuck = false;
  // When these were asked or heard, and when to steal; 0: not.
  let helloAt = 0;
  let probeAt = 0;
  let heardAt = 0;
  let stealAt = 0;
  let now = 0;
  let late = 0;
  let effects: Effect[] = [];

  const sit = (at: Seat['at']): void => {
    seat.at = at;
    leader = '';
    synced = stuck = false;
    helloAt = probeAt = stealAt = 0;
    heardAt = now;
  };
  const hello = (): void => {
    helloAt = now;
    effects.push('hello');
  };
  const probe = (): void => {
    probeAt = now;
    stealAt = 0;
    effects.push('probe');
  };
  const enter = (): void => {
    sit('queued');
    seat.me = id();
    adopted = false;
    // The question for the state is one for a sign of life, too.
    if (visible) probeAt = now;
    effects.push('enter');
    hello();
  };
  const exit = (at: Seat['at']): void => {
    if (seat.at === 'leading') effects.push('yield');
    sit(at);
    effects.push('exit');
  };
  const demote = (): void => {
    sit('queued');
    effects.push('yield', 'queue');
    hello();
  };
  /** Nothing is lost with a leader that has no connection and cannot get one. */
  const takeOver = (): void => {
    if (seat.at === 'queued' && visible && stuck && !stealAt) stealAt = now + random() * JITTER_MS;
  };

  /** Whether what was heard is to be applied; a gap before it means that the state is needed. */
  const follows = (head: Head): boolean => {
    if (head.is === 'state') {
      if (head.to !== seat.me) return false;
      synced = adopted = true;
      helloAt = 0;
      seat.n = head.n;
      return true;
    }
    const frame = head.is === 'frame';
    const next = frame ? seat.n + 1 : seat.n;
    if (head.n > next) synced = false;
    if (!frame) return true;
    if (!synced || head.n < next) return false;
    seat.n = head.n;
    return true;
  };
  const heard = (head: Head): void => {
    if (head.term > seat.term || (head.term === seat.term && head.from > leader)) {
      // A claim begins at nothing: whoever had every frame of the last term misses none of this one.
      const whole = synced && head.is === 'claim' && seat.at === 'queued';
      if (seat.at === 'leading') demote();
      // But the new leader may know what nobody else heard of; and what was asked before its claim it did not answer.
      else if (!helloAt || head.is === 'claim') hello();
      synced = whole;
      leader = head.from;
      seat.term = head.term;
      seat.n = head.n;
    } else if (head.from !== leader) {
      // Somebody who does not know yet.
      if (seat.at === 'leading') effects.push('claim');
      return;
    }
    heardAt = now;
    probeAt = 0;
    stuck = head.stuck;
    if (!stuck) stealAt = 0;
    if (follows(head)) effects.push('take');
    if (!synced && !helloAt) hello();
    takeOver();
  };

  const tick = (): void => {
    if (seat.at !== 'queued') return;
    if (helloAt && now - helloAt >= HELLO_MS) {
      helloAt = 0;
      if (!adopted) effects.push('alone');
      adopted = true;
    }
    if (!visible) return;
    const hung = late > GRACE_MS;
    if (stealAt) {
      if (now < stealAt) return;
      // The answer may be waiting behind this very timer.
      if (hung) probe();
      else {
        stealAt = probeAt = 0;
        heardAt = now;
        effects.push('steal');
      }
    } else if (!probeAt) {
      if (now - heardAt >= PROBE_EVERY_MS) probe();
    } else if (now - probeAt >= PROBE_MS) {
      if (hung) probe();
      else stealAt = now + random() * JITTER_MS;
    }
  };

  const decide = (event: SeatEvent): void => {
    const inside = seat.at === 'queued' || seat.at === 'leading';
    if (event.on === 'look') visible = event.visible;
    if (event.on === 'leave' || event.on === 'sleep') {
      const to = event.on === 'leave' ? 'out' : 'asleep';
      if (inside) exit(to);
      else if (to === 'out') seat.at = to;
    } else if (!inside) {
      if (event.on === 'join' || (event.on === 'wake' && seat.at === 'asleep')) enter();
    } else if (late > (visible ? JUMP_VISIBLE_MS : JUMP_HIDDEN_MS) || late < -2 * LOOK_MS) {
      // The machine slept, this tab was stopped, or the clock was set: nothing that waited here counts any more.
      exit('asleep');
      enter();
    } else if (event.on === 'granted') {
      sit('leading');
      leader = seat.me;
      seat.n = 0;
      // The time as well: where nothing can be stored, a term must still be higher than those of the past.
      seat.term = Math.max(seat.term, event.term, now) + 1;
      effects.push('claim', 'lead');
    } else if (event.on === 'heard') {
      heard(event.head);
    } else if (seat.at === 'leading') {
      if (event.on === 'lost') demote();
    } else if (event.on === 'look') {
      stealAt = probeAt = 0;
      if (visible) probe();
      takeOver();
    } else tick();
  };

  return {
    seat,
    step(event, at) {
      now = at;
      late = now - seat.due;
      effects = [];
      decide(event);
      const waits = [now + LOOK_MS, helloAt && helloAt + HELLO_MS, stealAt];
      if (seat.at === 'queued' && visible && !stealAt) {
        waits.push(probeAt ? probeAt + PROBE_MS : heardAt + PROBE_EVERY_MS);
      }
      seat.due = Math.min(...waits.filter((wait) => wait));
      return effects;
    },
  };
}
