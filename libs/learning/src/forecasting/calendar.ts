/** Evenly spaced times: so many of a unit apart. Times are milliseconds since 1970, UTC. */
export interface Frequency {
  unit: 'month' | 'day' | 'hour' | 'minute' | 'second';
  count: number;
}

/** Steps on the calendar, counted from the earliest time. */
export interface Calendar {
  frequency: Frequency;
  /** The step that a time falls on; null between two steps. */
  stepOf(time: number): number | null;
  timeOf(step: number): number;
}

const units = { day: 86_400_000, hour: 3_600_000, minute: 60_000, second: 1000 } as const;

/**
 * The calendar of distinct times, ascending: months where all stand on the same day of a month (or on its last), else the
 * most frequent distance. Null for fewer than three times, or where no distance is a whole number of seconds.
 */
export function calendarOf(times: readonly number[]): Calendar | null {
  if (times.length < 3) return null;
  return monthsOf(times) ?? evenOf(times);
}

/** As ISO 8601 writes durations: `P1M`, `P7D`, `PT15M`. */
export function durationText({ unit, count }: Frequency): string {
  return unit === 'month' ? `P${count}M` : unit === 'day' ? `P${count}D` : `PT${count}${unit[0]!.toUpperCase()}`;
}

/** Steps after which the pattern of such a series mostly repeats; 1 where none does. */
export function usualSeason({ unit, count }: Frequency): number {
  const perSeason = (steps: number) => (steps % count === 0 ? steps / count : 1);
  switch (unit) {
    case 'month':
      return perSeason(12);
    case 'day':
      return count === 7 ? 52 : perSeason(7);
    case 'hour':
      return perSeason(24);
    case 'minute':
      return perSeason(24 * 60) <= 400 ? perSeason(24 * 60) : perSeason(60);
    case 'second':
      return perSeason(60);
  }
}

function monthsOf(times: readonly number[]): Calendar | null {
  const dates = times.map((time) => new Date(time));
  const first = dates[0]!;
  const timeOfDay = modulo(times[0]!, units.day);
  const day = first.getUTCDate();
  const isLast = (date: Date) => new Date(date.getTime() + units.day).getUTCDate() === 1;
  const onLast = dates.every(isLast);
  if (!dates.every((date) => modulo(date.getTime(), units.day) === timeOfDay && (onLast || date.getUTCDate() === day))) return null;
  const monthOf = (date: Date) => date.getUTCFullYear() * 12 + date.getUTCMonth();
  const months = dates.map(monthOf);
  const count = mostFrequent(months.slice(1).map((month, at) => month - months[at]!));
  return {
    frequency: { unit: 'month', count },
    stepOf(time) {
      const step = (monthOf(new Date(time)) - months[0]!) / count;
      return Number.isInteger(step) ? step : null;
    },
    timeOf(step) {
      const month = months[0]! + step * count;
      const [year, inYear] = [Math.floor(month / 12), month % 12];
      return (onLast ? Date.UTC(year, inYear + 1, 0) : Date.UTC(year, inYear, day)) + timeOfDay;
    },
  };
}

function evenOf(times: readonly number[]): Calendar | null {
  const distance = mostFrequent(times.slice(1).map((time, at) => time - times[at]!));
  const [unit, length] = Object.entries(units).find(([, milliseconds]) => distance % milliseconds === 0) ?? [];
  if (!unit || !length) return null;
  const first = times[0]!;
  return {
    frequency: { unit: unit as keyof typeof units, count: distance / length },
    stepOf(time) {
      const step = (time - first) / distance;
      return Number.isInteger(step) ? step : null;
    },
    timeOf: (step) => first + step * distance,
  };
}

/** Never below zero, also before 1970. */
const modulo = (value: number, by: number) => ((value % by) + by) % by;

/** Of equally frequent ones the smallest. */
function mostFrequent(distances: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const distance of distances) counts.set(distance, (counts.get(distance) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || a - b)[0]![0];
}
