/**
 * What models read of a point in time, each a number: the calendar year, the month (1 to 12), the day of the week (0 for
 * Monday to 6), the hour (0 to 23), and the day, counted from 1970-01-01. All in UTC. `day` is the trend, the others are the
 * seasons.
 */
export const dateParts = ['year', 'month', 'weekday', 'hour', 'day'] as const;
export type DatePart = (typeof dateParts)[number];

const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;
const msPerDay = 86_400_000;

/** A date or moment in ISO 8601, such as `2026-03-31` or `2026-03-31T14:30:00Z`, in ms since 1970; without an offset in UTC. Null if it is none. */
export function readIsoDate(text: string): number | null {
  const found = iso.exec(text);
  if (!found) return null;
  const [, date, clock = '00:00', seconds = ':00', offset = 'Z'] = found as unknown as [string, string, string?, string?, string?];
  // A day that the month hasn't would quietly become one of the next month.
  const day = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== date) return null;
  const moment = Date.parse(`${date}T${clock}${seconds.slice(0, 7)}${offset}`);
  return Number.isNaN(moment) ? null : moment;
}

/** One part of a moment in ms since 1970. */
export function datePartOf(moment: number, part: DatePart): number {
  const date = new Date(moment);
  switch (part) {
    case 'year':
      return date.getUTCFullYear();
    case 'month':
      return date.getUTCMonth() + 1;
    case 'weekday':
      return (date.getUTCDay() + 6) % 7;
    case 'hour':
      return date.getUTCHours();
    case 'day':
      return Math.floor(moment / msPerDay);
  }
}

/** The date of a `day`. */
export function dateOfDay(day: number): string {
  return new Date(day * msPerDay).toISOString().slice(0, 10);
}
