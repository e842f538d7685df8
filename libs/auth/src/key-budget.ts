/** How long a budget of a key lasts, by the word for it. */
export const budgetSeconds: Readonly<Record<string, number>> = { '1d': 86_400, '7d': 7 * 86_400, '30d': 30 * 86_400 };

/** The time of a budget at a moment: it begins anew each time that the duration has gone by since the key was made. */
export function budgetWindow(duration: string | null, since: Date, now: Date): { from: Date; to: Date | null } {
  const seconds = duration === null ? undefined : budgetSeconds[duration];
  if (seconds === undefined) return { from: since, to: null };
  const ms = seconds * 1000;
  const from = since.getTime() + Math.floor((now.getTime() - since.getTime()) / ms) * ms;
  return { from: new Date(from), to: new Date(from + ms) };
}
