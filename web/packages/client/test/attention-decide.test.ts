import { describe, expect, it } from 'vitest';
import { bidMs, isAttended, isHushed, isOpen, mayChime, recent, verdict } from '../src/attention/decide.js';
import type { AnyAlert } from '../src/types.js';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const state = { seen: false, read: false, archived: false, acted: false };
const alert = (facts: Partial<AnyAlert> = {}): AnyAlert =>
  ({ id: 'a', createdAt: '2026-01-01T11:59:30Z', expiresAt: null, quiet: false, state, ...facts }) as AnyAlert;
const moment = { now: NOW, hushed: false, maxAgeMs: 60_000 };

describe('what is presented', () => {
  it('is what arrived live or was caught up with, unread and young', () => {
    expect(verdict(alert(), 'live', moment)).toBe('present');
    expect(verdict(alert(), 'catch-up', moment)).toBe('present');
  });

  it('is nothing of a first page or a hand-over', () => {
    expect(verdict(alert(), 'page', moment)).toBe('nothing');
    expect(verdict(alert({ createdAt: '2026-01-01T00:00:00Z' }), 'page', moment)).toBe('nothing');
    expect(verdict(alert({ quiet: true }), 'page', { ...moment, hushed: true })).toBe('nothing');
  });

  it.each(['read', 'archived', 'acted'] as const)('is nothing that is %s', (flag) => {
    expect(verdict(alert({ state: { ...state, [flag]: true } }), 'live', moment)).toBe('nothing');
  });

  it('is what was seen elsewhere but not read', () => {
    expect(verdict(alert({ state: { ...state, seen: true } }), 'live', moment)).toBe('present');
  });

  it('is nothing that expired, to the millisecond', () => {
    expect(verdict(alert({ expiresAt: '2026-01-01T12:00:00Z' }), 'live', moment)).toBe('nothing');
    expect(verdict(alert({ expiresAt: '2026-01-01T12:00:00.001Z' }), 'live', moment)).toBe('present');
  });

  it('is summed up above the greatest age', () => {
    expect(verdict(alert({ createdAt: '2026-01-01T11:59:00Z' }), 'catch-up', moment)).toBe('present');
    expect(verdict(alert({ createdAt: '2026-01-01T11:58:59.999Z' }), 'catch-up', moment)).toBe('away');
  });

  it('is nothing quiet; while do-not-disturb is on, that is counted', () => {
    expect(verdict(alert({ quiet: true }), 'live', moment)).toBe('nothing');
    expect(verdict(alert({ quiet: true }), 'live', { ...moment, hushed: true })).toBe('do-not-disturb');
  });

  it('breaks through do-not-disturb where the server sent it loud', () => {
    expect(verdict(alert(), 'live', { ...moment, hushed: true })).toBe('present');
  });

  it('ends with the alert', () => {
    expect(isOpen(null, NOW)).toBe(false);
    expect(isOpen(alert(), NOW)).toBe(true);
  });
});

it('do-not-disturb ends at its time, although nobody tells', () => {
  const until = '2026-01-01T12:00:00Z';
  const on = { active: true, until, schedule: [], timeZone: null };
  expect(isHushed(on, NOW - 1)).toBe(true);
  expect(isHushed(on, NOW)).toBe(false);
  expect(isHushed({ ...on, until: null }, NOW)).toBe(true);
  expect(isHushed({ ...on, active: false }, NOW - 1)).toBe(false);
});

it('the tab in front of somebody bids first', () => {
  expect([bidMs(true, true), bidMs(true, false), bidMs(false, false)]).toEqual([0, 40, 120]);
});

it('a burst counts five seconds, this one included', () => {
  expect(recent([], 10_000)).toEqual([10_000]);
  expect(recent([5_000, 5_001, 9_000], 10_000)).toEqual([5_001, 9_000, 10_000]);
});

it('the chime is not repeated within two seconds', () => {
  expect(mayChime(10_000, 11_999)).toBe(false);
  expect(mayChime(10_000, 12_000)).toBe(true);
});

it('attended means visible, with input not long ago', () => {
  expect(isAttended(true, 119_999, 120_000)).toBe(true);
  expect(isAttended(true, 120_000, 120_000)).toBe(false);
  expect(isAttended(false, 0, 120_000)).toBe(false);
});
