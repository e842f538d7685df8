/** By how far away a start is, in seconds: to whole how many seconds of the clock it is told. */
const steps = [
  { within: 3_600, step: 300 },
  { within: 6 * 3_600, step: 1_800 },
  { within: Infinity, step: 7_200 },
] as const;

/**
 * An estimated start as it may be told: the next full five minutes of the clock, half an hour where it is more than an hour away, two hours where it is
 * more than six. Nearer would tell how long the runs of other tenants take. Full hours of the clock, not of the wait:
 * else one could watch for the moment at which the estimate changes.
 */
export function coarseStart(now: Date, seconds: number): Date {
  const { step } = steps.find(({ within }) => seconds <= within)!;
  return new Date(Math.ceil((now.getTime() / 1000 + seconds) / step) * step * 1000);
}
