/**
 * When to connect, when to give up, when to ask for a token. No I/O, no clock, no randomness of its own: events and the
 * time go in, the next state and what has to be done come out.
 */

import { adviceFor, type ErrorCode } from '@belfry/protocol';
import { failure } from './failure.js';
import type { BelfryError, ClientErrorCode, Connection, ConnectionState, TokenRequest } from './types.js';

export interface Policy {
  readonly backoff: readonly number[];
  readonly jitter: 'full' | 'none';
  readonly maxAttempts: number;
  readonly afterMaxAttempts: 'probe' | 'stop';
  readonly connectTimeoutMs: number;
  readonly stableAfterMs: number;
  readonly parkHiddenAfterMs: number | false;
}

export interface Life {
  readonly phase: 'idle' | 'waiting' | 'dialing' | 'open' | 'paused' | 'stopped';
  readonly shown: ConnectionState;
  readonly since: number;
  /** While waiting: the end of it; while dialing: the end of patience. */
  readonly until: number;
  /** The server named the wait. */
  readonly told: boolean;
  /** When it opened, and when anything was last heard. */
  readonly openedAt: number;
  readonly heardAt: number;
  readonly patience: number;
  /** When a probe's answer is due. */
  readonly probe: number | null;
  /** When the token has to be renewed, and how long that takes to come up again. */
  readonly renewAt: number | null;
  readonly renewEvery: number;
  /** Ends in a row without a stable connection between, and refused tokens in a row. */
  readonly failures: number;
  readonly rejections: number;
  readonly reason: TokenRequest['reason'];
  readonly hint: number | null;
  /** An `error` frame with nothing after it: the verdict of a close that a proxy swallowed. */
  readonly verdict: BelfryError | null;
  readonly error: BelfryError | null;
  readonly hiddenAt: number | null;
  /** It was live before: another attempt is a retry. */
  readonly known: boolean;
}

export type LifeEvent =
  | { on: 'start' }
  /** Nobody wants it any more, or nobody is signed in. */
  | { on: 'stop' }
  /** For good: only `start` goes on. */
  | { on: 'fail'; error: BelfryError }
  /** `token`: how long the token lives, in milliseconds. */
  | { on: 'established'; patience: number; token: number | null }
  | { on: 'caught-up'; yes: boolean }
  /** Anything was heard. */
  | { on: 'heard' }
  | { on: 'going-away'; afterMs: number }
  | { on: 'error'; error: BelfryError }
  /** The attempt or the connection ended. */
  | { on: 'end'; code: number; reason?: string; error?: BelfryError }
  | { on: 'visible'; visible: boolean }
  /** Network, page or person came back. */
  | { on: 'wake' }
  | { on: 'retry-now' }
  | { on: 'renewed'; token: number | null }
  | { on: 'renew-failed' }
  /** `deadline` was reached. */
  | { on: 'time' };

export type Act =
  | { act: 'dial'; reason: TokenRequest['reason'] }
  | { act: 'close' }
  | { act: 'probe' }
  | { act: 'renew' };

/** The close code of an attempt that never opened, or of a link that was given up. */
export const LOST = 1006;
const PROBE_MS = 2_000;
/** A timer this late was throttled or frozen: its silence proves nothing. */
const LATE_MS = 2_000;
const OFFLINE_EVERY_MS = 60_000;
const REPLACED = 4305;
/** What an `error` frame says of the close that should follow it. */
const CLOSE_OF: { readonly [code in ErrorCode]?: number } = {
  unauthorized: 4401,
  'token-expired': 4402,
  'token-revoked': 4403,
  'user-blocked': 4501,
  'origin-not-allowed': 4502,
  'version-not-supported': 4503,
  replaced: REPLACED,
};

export const asleep: Life = {
  phase: 'idle',
  shown: 'idle',
  since: 0,
  until: 0,
  told: false,
  openedAt: 0,
  heardAt: 0,
  patience: 0,
  probe: null,
  renewAt: null,
  renewEvery: 0,
  failures: 0,
  rejections: 0,
  reason: 'connect',
  hint: null,
  verdict: null,
  error: null,
  hiddenAt: null,
  known: false,
};

type Draft = { -readonly [field in keyof Life]: Life[field] };

/** One event. `roll` is uniform over 0 ≤ roll < 1. */
export function advance(life: Life, event: LifeEvent, now: number, roll: number, policy: Policy): [Life, Act[]] {
  const next: Draft = { ...life };
  const acts: Act[] = [];

  const dial = () => {
    next.phase = 'dialing';
    next.until = now + policy.connectTimeoutMs;
    next.told = false;
    acts.push({ act: 'dial', reason: next.reason });
    next.reason = 'connect';
  };
  const close = (phase: Life['phase']) => {
    if (isUp(next)) acts.push({ act: 'close' });
    next.phase = phase;
    next.probe = next.renewAt = next.hint = next.verdict = null;
  };
  const wait = (told: number | null) => {
    const offline = next.failures >= policy.maxAttempts;
    if (offline && policy.afterMaxAttempts === 'stop') return close('stopped');
    const rung = policy.backoff[Math.min(next.failures, policy.backoff.length) - 1] ?? 0;
    const rest = offline ? OFFLINE_EVERY_MS : rung;
    close('waiting');
    next.told = told !== null;
    next.until = now + (told ?? (policy.jitter === 'full' ? rest * roll : rest));
  };
  const steady = () => {
    if (next.phase === 'open' && now >= next.openedAt + policy.stableAfterMs) next.failures = 0;
  };
  const end = (code: number, reason: string, error: BelfryError | null) => {
    steady();
    const { verdict } = next;
    const hint = next.hint ?? error?.retryAfterMs ?? verdict?.retryAfterMs ?? null;
    // A proxy may have put its own close in the place of the server's.
    const judged = code >= 4000 ? code : (CLOSE_OF[(error ?? verdict)?.code as ErrorCode] ?? code);
    const advice = judged >= 4000 ? adviceFor(judged) : 'reconnect';
    const lost: ClientErrorCode = next.phase === 'open' ? 'connection-lost' : 'connect-failed';
    next.error = error ?? verdict ?? failure(lost, reason || lost, { status: code, retryable: advice !== 'stop' });
    if (advice === 'stop') return close('stopped');
    if (judged === REPLACED) {
      if (next.hiddenAt !== null) return close('paused');
      // Two clients at the limit of connections must not push each other out in turns.
      next.failures = Math.max(next.failures, policy.backoff.length - 1);
    }
    next.failures++;
    if (advice !== 'authenticate') return wait(hint);
    if (next.rejections++ > 0) return close('stopped');
    next.reason = 'rejected';
    // An expired token is no sign of trouble: the first time it does not wait.
    wait(hint ?? (next.failures === 1 ? 0 : null));
    next.told = hint !== null;
  };
  const probe = () => {
    if (next.phase !== 'open' || next.probe !== null) return;
    next.probe = now + PROBE_MS;
    acts.push({ act: 'probe' });
  };
  const renewIn = (token: number | null) => {
    next.renewEvery = Math.min(Math.max((token ?? 0) * 0.8, 1_000), 30 * 86_400_000);
    next.renewAt = token === null ? null : now + next.renewEvery;
  };
  const wake = () => {
    // A place that was given up is asked for again only by a page that somebody sees.
    if (next.phase === 'paused' ? next.hiddenAt === null : next.phase === 'waiting' && !next.told) dial();
    else probe();
  };

  switch (event.on) {
    case 'start':
      if (next.phase === 'open' || next.phase === 'dialing') break;
      Object.assign(next, { failures: 0, rejections: 0, error: null, known: false });
      dial();
      break;
    case 'stop':
      close('idle');
      Object.assign(next, { failures: 0, rejections: 0, error: null, known: false });
      break;
    case 'fail':
      close('stopped');
      next.error = event.error;
      break;
    case 'established':
      Object.assign(next, { phase: 'open', openedAt: now, heardAt: now, patience: event.patience });
      Object.assign(next, { rejections: 0, hint: null, verdict: null, error: null, probe: null, known: true });
      if (next.shown !== 'live') next.shown = 'catching-up';
      renewIn(event.token);
      break;
    case 'caught-up':
      if (next.phase === 'open') next.shown = event.yes ? 'live' : 'catching-up';
      break;
    case 'heard':
      next.heardAt = now;
      next.probe = next.verdict = null;
      break;
    case 'going-away':
      next.hint = event.afterMs;
      break;
    case 'error':
      next.verdict = event.error;
      break;
    case 'end':
      if (isUp(next)) end(event.code, event.reason ?? '', event.error ?? null);
      break;
    case 'visible':
      next.hiddenAt = event.visible ? null : (next.hiddenAt ?? now);
      if (event.visible && life.hiddenAt !== null) wake();
      break;
    case 'wake':
      wake();
      break;
    case 'retry-now':
      if (next.phase === 'stopped') Object.assign(next, { failures: 0, rejections: 0 });
      if (next.phase !== 'idle' && !isUp(next)) dial();
      break;
    case 'renewed':
      renewIn(event.token ?? next.renewEvery / 0.8);
      break;
    case 'renew-failed':
      if (next.renewAt !== null) next.renewAt = now + Math.min(Math.max(next.renewEvery / 10, 1_000), 30_000);
      break;
    case 'time': {
      const due = deadline(life, policy);
      if (due === null || now < due) break;
      steady();
      const { probe: answer, renewAt, heardAt, patience, hiddenAt } = next;
      if (next.phase === 'waiting') dial();
      else if (next.phase === 'dialing') end(LOST, '', null);
      else if (hiddenAt !== null && parkAt(next, policy) <= now) close('paused');
      else if (now >= (answer ?? heardAt + patience)) {
        if (answer === null && now >= heardAt + patience + LATE_MS) probe();
        else end(LOST, '', null);
      } else if (renewAt !== null && now >= renewAt) {
        next.renewAt = now + next.renewEvery;
        acts.push({ act: 'renew' });
      }
    }
  }

  const shown = shownAs(next, policy);
  if (shown !== life.shown) next.since = now;
  next.shown = shown;
  return [next, acts];
}

/** When `time` is due next. */
export function deadline(life: Life, policy: Policy): number | null {
  const { phase, until, openedAt, heardAt, patience, probe, renewAt, failures, hiddenAt } = life;
  if (phase === 'dialing') return until;
  // Nobody looks: it is probed when somebody does.
  if (phase === 'waiting') return hiddenAt !== null && failures >= policy.maxAttempts ? null : until;
  if (phase !== 'open') return null;
  const stable = failures > 0 ? openedAt + policy.stableAfterMs : Infinity;
  return Math.min(probe ?? heardAt + patience, stable, renewAt ?? Infinity, parkAt(life, policy));
}

/** The application's view of it. */
export function view(life: Life, role: Connection['role'], transport: Connection['transport']): Connection {
  const { shown: state, since, failures, phase, until, error } = life;
  return {
    state,
    since,
    isConnected: state === 'live' || state === 'catching-up',
    isConnecting: state === 'connecting' || state === 'retrying',
    attempts: failures,
    retryAt: phase === 'waiting' ? until : null,
    error: state === 'live' ? null : error,
    role,
    transport: phase === 'open' ? transport : null,
  };
}

const isUp = ({ phase }: Life): boolean => phase === 'dialing' || phase === 'open';

const parkAt = ({ hiddenAt }: Life, { parkHiddenAfterMs: after }: Policy): number =>
  hiddenAt === null || after === false ? Infinity : hiddenAt + after;

function shownAs({ phase, shown, failures, known }: Life, policy: Policy): ConnectionState {
  if (phase === 'open') return shown === 'live' ? 'live' : 'catching-up';
  if (phase !== 'waiting' && phase !== 'dialing') return phase;
  if (failures >= policy.maxAttempts) return 'offline';
  return known || failures > 0 ? 'retrying' : 'connecting';
}
