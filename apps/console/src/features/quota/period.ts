const hourMs = 3_600_000;

/**
 * The last so many days, up to the end of the running hour: asked for again within the hour it is the same period, so
 * that a page that is drawn anew does not ask anew.
 */
export function periodOfDays(days: number, now: Date = new Date()): { from: string; to: string } {
  const to = Math.ceil((now.getTime() + 1) / hourMs) * hourMs;
  return { from: new Date(to - days * 24 * hourMs).toISOString(), to: new Date(to).toISOString() };
}
