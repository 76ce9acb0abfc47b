// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { tomorrow } from '../src/do-not-disturb.js';
import { age, day } from '../src/inbox/time.js';
import { setStrings } from '../src/index.js';
import * as later from '../src/later-words.js';
import { counted } from '../src/locale.js';
import { translations } from '../src/strings/load.js';
import { wordOf } from '../src/strings.js';
import { hour } from '../src/time.js';
import { manyWords } from '../src/toasts/words.js';
import * as words from '../src/words.js';
import { DAY, freshPage, MINUTE, NOW, pageClient, part, place } from './page.js';

freshPage();

const english = Object.assign({}, manyWords, ...Object.values(words), ...Object.values(later)) as Readonly<
  Record<string, unknown>
>;

describe('words', () => {
  it.each(['ar', 'de', 'es', 'fr', 'he'])('are all there in %s, with the same blanks', async (lang) => {
    const { strings } = (await translations(`${lang}-XX`)) ?? {};
    expect(Object.keys(strings ?? {}).sort()).toEqual(Object.keys(english).sort());
    const blanks = (text: unknown): string[] => [...new Set(JSON.stringify(text).match(/\{\w+\}/g))].sort();
    for (const [name, text] of Object.entries(strings ?? {}))
      expect([name, blanks(text)]).toEqual([name, blanks(english[name])]);
  });

  it('of a language that is not here are English', async () => {
    expect(await translations('tlh')).toBeNull();
    const klingon = Object.assign(document.createElement('p'), { lang: 'tlh' });
    expect(wordOf(klingon, words.toastWords, 'dismiss')).toBe('Dismiss');
  });

  it('follow the rules of the language for numbers', async () => {
    const { ar } = await import('../src/strings/ar.js');
    setStrings(ar, 'ar');
    const egyptian = Object.assign(document.createElement('p'), { lang: 'ar-EG-u-nu-latn' });
    const said = wordOf(egyptian, manyWords, 'newAlerts');
    expect([2, 3, 11].map((n) => counted(said, n, egyptian.lang))).toEqual([
      'تنبيهان جديدان',
      '3 تنبيهات جديدة',
      '11 تنبيهًا جديدًا',
    ]);
    expect(counted(words.bellWords.unread, 1_234, 'de')).toBe('1.234 unread');
  });

  it('that a page replaces change what is shown, in the nearest language', async () => {
    const { de } = await import('../src/strings/de.js');
    setStrings(de, 'de');
    pageClient({ unread: 3 });
    const bell = place('belfry-bell', { lang: 'de-AT' });
    expect(part(bell, 'button').getAttribute('aria-label')).toBe('Benachrichtigungen, 3 ungelesen');
    bell.setAttribute('lang', 'en');
    expect(part(bell, 'button').getAttribute('aria-label')).toBe('Notifications, 3 unread');
    setStrings({ notifications: 'Alarms' }, 'en');
    expect(part(bell, 'button').getAttribute('aria-label')).toBe('Alarms, 3 unread');
    setStrings({ notifications: 'Notifications' }, 'en');
  });

  it('survive a language tag that is none', () => {
    document.documentElement.lang = 'en_US';
    pageClient({ unread: 3 });
    expect(part(place('belfry-bell'), 'badge').textContent).toBe('3');
  });
});

describe('times', () => {
  it.each([
    [0, 'now'],
    [-5 * MINUTE, 'now'],
    [59_999, 'now'],
    [MINUTE, '1m ago'],
    [59 * MINUTE, '59m ago'],
    [60 * MINUTE, '1h ago'],
    [23 * 60 * MINUTE, '23h ago'],
    [DAY, 'Mar 3'],
  ])('%d ms ago: %s', (ms, words) => {
    expect(age(NOW - ms, NOW, 'en')).toBe(words);
  });

  it('days are named by how near they are', () => {
    expect([0, 1, 2, 6, 7].map((days) => day(NOW - days * DAY, NOW, 'en'))).toEqual([
      'Today',
      'Yesterday',
      'Monday',
      'Thursday',
      'February 25',
    ]);
    expect(day(NOW - 100 * DAY, NOW, 'en')).toBe('November 24, 2025');
    expect(day(NOW - DAY, NOW, 'de')).toBe('Gestern');
  });

  it('hours name their day when it is another', () => {
    expect(hour(NOW + 30 * 60 * MINUTE, NOW, 'en')).toMatch(/^Thu/);
    expect(hour(NOW + MINUTE, NOW, 'en')).toMatch(/^\d\d:\d\d/);
  });

  it('tomorrow is at eight, also at the end of a month', () => {
    const at = tomorrow(new Date(2026, 0, 31, 23, 30).getTime());
    expect([at.getMonth(), at.getDate(), at.getHours()]).toEqual([1, 1, 8]);
  });
});
