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

/** The decisions of one connection. It changes by `on` alone, and always in the same way. */
export interface Life {
  /** `roll` is uniform over 0 ≤ roll < 1. */
  on(event: LifeEvent, now: number, roll: number): Act[];
  /** When `time` is due next. */
  due(): number | null;
  /** The application's view of it. */
  view(role: Connection['role'], transport: Connection['transport']): Connection;
}

export function createLife(policy: Policy): Life {
  let phase: 'idle' | 'waiting' | 'dialing' | 'open' | 'paused' | 'stopped' = 'idle';
  let shown: ConnectionState = 'idle';
  let since = 0;
  /** While waiting: the end of it; while dialing: the end of patience. */
  let until = 0;
  /** The server named the wait. */
  let told = false;
  let openedAt = 0;
  let heardAt = 0;
  let patience = 0;
  /** When a probe's answer is due. */
  let probeAt: number | null = null;
  /** When the token has to be renewed, and how long that takes to come up again. */
  let renewAt: number | null = null;
  let renewEvery = 0;
  /** Ends in a row without a stable connection between, and refused tokens in a row. */
  let failures = 0;
  let rejections = 0;
  let reason: TokenRequest['reason'] = 'connect';
  let hint: number | null = null;
  /** An `error` frame with nothing after it: the verdict of a close that a proxy swallowed. */
  let verdict: BelfryError | null = null;
  let error: BelfryError | null = null;
  let hiddenAt: number | null = null;
  /** It was up before: another attempt is a retry. */
  let known = false;
  // The event that is being decided.
  let now = 0;
  let roll = 0;
  let acts: Act[] = [];

  const isUp = (): boolean => phase === 'dialing' || phase === 'open';
  const isOffline = (): boolean => failures >= policy.maxAttempts;
  const dial = () => {
    phase = 'dialing';
    until = now + policy.connectTimeoutMs;
    told = false;
    acts.push({ act: 'dial', reason });
    reason = 'connect';
  };
  const close = (next: typeof phase) => {
    if (isUp()) acts.push({ act: 'close' });
    phase = next;
    probeAt = renewAt = hint = verdict = null;
  };
  const afresh = () => {
    failures = rejections = 0;
    error = null;
    known = false;
  };
  const wait = (ms: number | null) => {
    if (isOffline() && policy.afterMaxAttempts === 'stop') {
      close('stopped');
      return;
    }
    const rung = policy.backoff[Math.min(failures, policy.backoff.length) - 1] ?? 0;
    const rest = isOffline() ? OFFLINE_EVERY_MS : rung;
    close('waiting');
    told = ms !== null;
    until = now + (ms ?? (policy.jitter === 'full' ? rest * roll : rest));
  };
  const steady = () => {
    if (phase === 'open' && now >= openedAt + policy.stableAfterMs) failures = 0;
  };
  const end = (code: number = LOST, why = '', cause: BelfryError | null = null) => {
    steady();
    const named = hint ?? cause?.retryAfterMs ?? verdict?.retryAfterMs ?? null;
    // A proxy may have put its own close in the place of the server's.
    const judged = code >= 4000 ? code : (CLOSE_OF[(cause ?? verdict)?.code as ErrorCode] ?? code);
    const advice = adviceFor(judged);
    const lost: ClientErrorCode = phase === 'open' ? 'connection-lost' : 'connect-failed';
    error = cause ?? verdict ?? failure(lost, why || lost, { status: code, retryable: advice !== 'stop' });
    if (advice === 'stop' || (judged === REPLACED && hiddenAt !== null)) {
      close(advice === 'stop' ? 'stopped' : 'paused');
      return;
    }
    // Two clients at the limit of connections must not push each other out in turns.
    if (judged === REPLACED) failures = Math.max(failures, policy.backoff.length - 1);
    failures++;
    if (advice !== 'authenticate') wait(named);
    else if (rejections++ > 0) close('stopped');
    else {
      reason = 'rejected';
      // An expired token is no sign of trouble: the first time it does not wait.
      wait(named ?? (failures === 1 ? 0 : null));
      told = named !== null;
    }
  };
  const probe = () => {
    if (phase !== 'open' || probeAt !== null) return;
    probeAt = now + PROBE_MS;
    acts.push({ act: 'probe' });
  };
  const renewIn = (token: number | null) => {
    renewEvery = Math.min(Math.max((token ?? 0) * 0.8, 1_000), 30 * 86_400_000);
    renewAt = token === null ? null : now + renewEvery;
  };
  const wake = () => {
    // A place that was given up is asked for again only by a page that somebody sees.
    if (phase === 'paused' ? hiddenAt === null : phase === 'waiting' && !told) dial();
    else probe();
  };
  const parkAt = (): number =>
    hiddenAt === null || policy.parkHiddenAfterMs === false ? Infinity : hiddenAt + policy.parkHiddenAfterMs;
  const due = (): number | null => {
    if (phase === 'dialing') return until;
    // Nobody looks: it is probed when somebody does.
    if (phase === 'waiting') return hiddenAt !== null && isOffline() ? null : until;
    if (phase !== 'open') return null;
    const stable = failures > 0 ? openedAt + policy.stableAfterMs : Infinity;
    return Math.min(probeAt ?? heardAt + patience, stable, renewAt ?? Infinity, parkAt());
  };
  const timeCame = () => {
    const at = due();
    if (at === null || now < at) return;
    steady();
    if (phase === 'waiting') dial();
    else if (phase === 'dialing') end();
    else if (parkAt() <= now) close('paused');
    else if (now >= (probeAt ?? heardAt + patience)) {
      // A timer this late was throttled or frozen: silence proves nothing yet.
      if (probeAt === null && now >= heardAt + patience + LATE_MS) probe();
      else end();
    } else if (renewAt !== null && now >= renewAt) {
      renewAt = now + renewEvery;
      acts.push({ act: 'renew' });
    }
  };

  const decide = (event: LifeEvent) => {
    switch (event.on) {
      case 'start':
        if (isUp()) break;
        afresh();
        dial();
        break;
      case 'stop':
        close('idle');
        afresh();
        break;
      case 'fail':
        close('stopped');
        error = event.error;
        break;
      case 'established':
        phase = 'open';
        openedAt = heardAt = now;
        patience = event.patience;
        rejections = 0;
        hint = verdict = error = probeAt = null;
        known = true;
        renewIn(event.token);
        break;
      case 'caught-up':
        if (phase === 'open') shown = event.yes ? 'live' : 'catching-up';
        break;
      case 'heard':
        heardAt = now;
        probeAt = verdict = null;
        break;
      case 'going-away':
        hint = event.afterMs;
        break;
      case 'error':
        verdict = event.error;
        break;
      case 'end':
        if (isUp()) end(event.code, event.reason, event.error);
        break;
      case 'visible': {
        const hidden = hiddenAt !== null;
        hiddenAt = event.visible ? null : (hiddenAt ?? now);
        if (event.visible && hidden) wake();
        break;
      }
      case 'wake':
        wake();
        break;
      case 'retry-now':
        if (phase === 'stopped') failures = rejections = 0;
        if (phase !== 'idle' && !isUp()) dial();
        break;
      case 'renewed':
        renewIn(event.token ?? renewEvery / 0.8);
        break;
      case 'renew-failed':
        if (renewAt !== null) renewAt = now + Math.min(Math.max(renewEvery / 10, 1_000), 30_000);
        break;
      case 'time':
        timeCame();
    }
  };
  const shows = (): ConnectionState => {
    if (phase === 'open') return shown === 'live' ? 'live' : 'catching-up';
    if (phase !== 'waiting' && phase !== 'dialing') return phase;
    if (isOffline()) return 'offline';
    return known || failures > 0 ? 'retrying' : 'connecting';
  };

  return {
    on(event, at, rolled) {
      now = at;
      roll = rolled;
      acts = [];
      const before = shown;
      decide(event);
      shown = shows();
      if (shown !== before) since = now;
      return acts;
    },
    due,
    view: (role, transport) => ({
      state: shown,
      since,
      isConnected: phase === 'open',
      isConnecting: shown === 'connecting' || shown === 'retrying',
      attempts: failures,
      retryAt: phase === 'waiting' ? until : null,
      error: shown === 'live' ? null : error,
      role,
      transport: phase === 'open' ? transport : null,
    }),
  };
}
