const integers = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const moments = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const clockTimes = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** `1,234`; also of a number that came as text because it may be large. */
export function formatCount(value: number | string): string {
  return integers.format(Number(value));
}

/** About four significant figures, without a tail of zeros: `0.9737`, `1,234`, `1.2e-5`. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(2);
  return new Intl.NumberFormat('en-GB', { maximumSignificantDigits: size >= 1000 ? Math.ceil(Math.log10(size)) + 1 : 4 }).format(value);
}

/** A share of 1 as `97.4 %`. */
export function formatShare(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return `${(value * 100).toFixed(value === 0 || value === 1 ? 0 : 1)} %`;
}

/** `1.2 kB` in steps of 1000. */
export function formatBytes(value: number | string | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const bytes = Number(value);
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${step === 0 ? bytes : (bytes / 1000 ** step).toPrecision(3)} ${units[step]}`;
}

/** Seconds as `640 ms`, `12.3 s`, `4 min 5 s`, `2 h 3 min`. */
export function formatSeconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function formatMoment(iso: string | null | undefined): string {
  return iso ? moments.format(new Date(iso)) : '–';
}

export function formatClock(iso: string): string {
  return clockTimes.format(new Date(iso));
}

/** `CLASSIFICATION`, `run.submitted`, `early-stop` as words: `Classification`, `Run submitted`, `Early stop`. */
export function words(name: string): string {
  const spaced = name.replace(/[._-]+/g, ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
