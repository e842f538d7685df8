import { kaplanMeier, survivalAt } from './kaplan-meier.ts';
import type { SurvivalAnswers } from './survival-metrics.ts';

/** What became of test rows, beside what was said of them, over time. */
export interface SurvivalChart {
  times: number[];
  /** All rows first, then a third each by the median said of them, the shortest first. */
  groups: { name: 'all' | 'short' | 'middle' | 'long'; rows: number; /** the Kaplan-Meier curve; null beyond its last time */ observed: (number | null)[]; predicted: number[] }[];
}

const points = 60;
const fewestRowsOfThird = 10;

/** Mean predicted survival beside the Kaplan-Meier curve, up to the last time that is known. */
export function survivalChart(answers: SurvivalAnswers): SurvivalChart {
  const { times, observed, median, survival } = answers;
  const end = times.reduce((most, time) => Math.max(most, time), 0);
  const grid = Array.from({ length: points + 1 }, (_, at) => (end * at) / points);
  const all = [...times.keys()];
  const groupOf = (name: SurvivalChart['groups'][number]['name'], rows: number[]) => {
    const curve = kaplanMeier(rows.map((row) => times[row]!), rows.map((row) => observed[row]!));
    return {
      name, rows: rows.length,
      observed: grid.map((time) => (time <= curve.end ? survivalAt(curve, time) : null)),
      predicted: grid.map((time) => (time === 0 ? 1 : rows.reduce((sum, row) => sum + survival(row, time), 0) / rows.length)),
    };
  };
  const byMedian = all.slice().sort((a, b) => median[a]! - median[b]! || a - b);
  const third = Math.floor(all.length / 3);
  const isTold = third >= fewestRowsOfThird && median[byMedian[0]!] !== median[byMedian.at(-1)!];
  return {
    times: grid,
    groups: [
      groupOf('all', all),
      ...(isTold ? [groupOf('short', byMedian.slice(0, third)), groupOf('middle', byMedian.slice(third, -third)), groupOf('long', byMedian.slice(-third))] : []),
    ],
  };
}
