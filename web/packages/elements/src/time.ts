/** Hours in words, by `Intl`: "08:00". */

const DAY = 86_400_000;

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
