const dayMs = 86_400_000;

/** One bin a day of the period, days without usage included; times in milliseconds since 1970. */
export function dailyBins({ from, to }: { from: string; to: string }, lines: readonly { time: string | null; rows: number | string }[]): { from: number; to: number; count: number }[] {
  const byDay = new Map(lines.map(({ time, rows }) => [Date.parse(time ?? ''), Number(rows)]));
  const bins = [];
  for (let day = Math.floor(Date.parse(from) / dayMs) * dayMs; day < Date.parse(to); day += dayMs) bins.push({ from: day, to: day, count: byDay.get(day) ?? 0 });
  return bins;
}
