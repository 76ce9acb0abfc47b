/** Times in words, all by `Intl`: "5 min ago", "Yesterday", "08:00". */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, in few letters: "now", "5m ago", then the date. A clock that runs behind the server's says "now". */
export function age(at: number, now: number, locale: string): string {
  const ms = Math.max(0, now - at);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'narrow' });
  if (ms < MINUTE) return relative.format(0, 'second');
  if (ms < HOUR) return relative.format(-Math.floor(ms / MINUTE), 'minute');
  if (ms < DAY) return relative.format(-Math.floor(ms / HOUR), 'hour');
  return new Date(at).toLocaleDateString(locale, { day: 'numeric', month: 'short' });
}

/** The day, as a heading: "Today", "Yesterday", a day of this week, then the date. */
export function day(at: number, now: number, locale: string): string {
  const days = Math.max(0, Math.round((midnight(now) - midnight(at)) / DAY));
  const words =
    days < 2
      ? new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(-days, 'day')
      : new Date(at).toLocaleDateString(locale, days < 7 ? { weekday: 'long' } : dateStyle(at, now));
  return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
}

/** The hour, and the weekday where it is not within a day. */
export function hour(at: number, now: number, locale: string): string {
  const far: Intl.DateTimeFormatOptions = at - now < DAY ? {} : { weekday: 'short' };
  return new Date(at).toLocaleTimeString(locale, { ...far, hour: '2-digit', minute: '2-digit' });
}

/** When quiet ends, in words: "08:00". Empty where nobody means an hour of a day. */
export function untilWords(until: string | null, now: number, locale: string): string {
  const at = until === null ? Number.NaN : Date.parse(until);
  return at - now < 7 * DAY ? hour(at, now, locale) : '';
}

/** Tomorrow at eight, when most people want to hear of things again. */
export function tomorrow(now: number): Date {
  const at = new Date(now);
  at.setDate(at.getDate() + 1);
  at.setHours(8, 0, 0, 0);
  return at;
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

function dateStyle(at: number, now: number): Intl.DateTimeFormatOptions {
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : { year: 'numeric' as const };
  return { day: 'numeric', month: 'long', ...year };
}
