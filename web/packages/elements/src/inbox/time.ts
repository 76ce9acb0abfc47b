/** How long ago, and on which day: "5m ago", "Yesterday". All by `Intl`. */

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

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

function dateStyle(at: number, now: number): Intl.DateTimeFormatOptions {
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : { year: 'numeric' as const };
  return { day: 'numeric', month: 'long', ...year };
}
