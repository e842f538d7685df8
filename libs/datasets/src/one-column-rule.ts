/** Rows of one bin of a column, in one of two halves of the table. */
export interface ClassCount {
  /** number of the bin; rows without a value have a bin of their own */
  bin: string;
  half: 0 | 1;
  target: string;
  rows: number;
}

export interface ValueSum {
  bin: string;
  half: 0 | 1;
  rows: number;
  sum: number;
  squares: number;
}

/** Fewer rows of a class in a half than this say nothing about a rule. */
const minRowsOfClass = 5;

/**
 * How far one column alone gives a class away: a rule that answers each bin with the share of the classes in it, learned
 * from one half of the rows and judged on the other, both ways round. With two classes the area under the ROC curve,
 * otherwise the balanced accuracy: 1 is perfect. Null where a class has too few rows in a half.
 */
export function scoreClassRule(counts: readonly ClassCount[]): number | null {
  const classes = [...new Set(counts.map(({ target }) => target))].sort();
  for (const half of [0, 1] as const) {
    for (const target of classes) {
      if (rowsOf(counts.filter((one) => one.half === half && one.target === target)) < minRowsOfClass) return null;
    }
  }
  if (classes.length < 2) return null;
  const score = classes.length === 2 ? areaUnderCurve : balancedAccuracy;
  return (score(counts, 0, classes) + score(counts, 1, classes)) / 2;
}

/** The same for a number: R² of the mean of each bin. Null where a half has too few rows, or its target one value. */
export function scoreValueRule(sums: readonly ValueSum[]): number | null {
  const scores = ([0, 1] as const).map((judged) => {
    const learned = new Map<string, { rows: number; sum: number }>();
    let rows = 0;
    let sum = 0;
    for (const one of sums.filter(({ half }) => half !== judged)) {
      learned.set(one.bin, one);
      rows += one.rows;
      sum += one.sum;
    }
    const mean = sum / rows;
    let error = 0;
    let [n, total, squares] = [0, 0, 0];
    for (const one of sums.filter(({ half }) => half === judged)) {
      const known = learned.get(one.bin);
      const guess = known ? known.sum / known.rows : mean;
      error += one.squares - 2 * guess * one.sum + guess * guess * one.rows;
      n += one.rows;
      total += one.sum;
      squares += one.squares;
    }
    const spread = squares - (total * total) / n;
    return rows < minRowsOfClass || n < minRowsOfClass || spread <= 1e-12 * squares ? null : 1 - Math.max(0, error) / spread;
  });
  return scores[0] == null || scores[1] == null ? null : (scores[0] + scores[1]) / 2;
}

/**
 * Cramér's V with the correction for chance (Bergsma 2013, “A bias-correction for Cramér's V and Tschuprow's T”): 0 says
 * that the column and the target have nothing to do with each other, 1 that one gives the other. Null for one row or value.
 */
export function cramersV(counts: readonly ClassCount[]): number | null {
  const cells = totals(counts, ({ bin, target }) => JSON.stringify([bin, target]));
  const bins = totals(counts, ({ bin }) => bin);
  const classes = totals(counts, ({ target }) => target);
  const rows = rowsOf(counts);
  if (rows < 2 || bins.size < 2 || classes.size < 2) return null;
  let chi = 0;
  for (const [bin, ofBin] of bins) {
    for (const [target, ofClass] of classes) {
      const expected = (ofBin * ofClass) / rows;
      chi += ((cells.get(JSON.stringify([bin, target])) ?? 0) - expected) ** 2 / expected;
    }
  }
  const [r, k] = [bins.size, classes.size];
  const phi = Math.max(0, chi / rows - ((r - 1) * (k - 1)) / (rows - 1));
  const width = Math.min(r - (r - 1) ** 2 / (rows - 1), k - (k - 1) ** 2 / (rows - 1)) - 1;
  return width <= 0 ? null : Math.min(1, Math.sqrt(phi / width));
}

/** η: the root of the share of the spread of a number that its groups explain. Null for a number without spread. */
export function correlationRatio(groups: readonly { rows: number; sum: number; squares: number }[]): number | null {
  const [rows, sum, squares] = groups.reduce(([n, s, q], one) => [n + one.rows, s + one.sum, q + one.squares], [0, 0, 0]);
  const spread = squares - (sum * sum) / rows;
  if (rows === 0 || spread <= 1e-12 * squares) return null;
  const within = groups.reduce((total, one) => total + one.squares - (one.sum * one.sum) / one.rows, 0);
  return Math.sqrt(Math.min(1, Math.max(0, 1 - within / spread)));
}

function areaUnderCurve(counts: readonly ClassCount[], judged: 0 | 1, classes: readonly string[]): number {
  const positive = classes[1]!;
  const learned = counts.filter(({ half }) => half !== judged);
  const prior = rowsOf(learned.filter(({ target }) => target === positive)) / rowsOf(learned);
  const all = totals(learned, ({ bin }) => bin);
  const hits = totals(learned.filter(({ target }) => target === positive), ({ bin }) => bin);
  const shareOf = (bin: string): number => ((hits.get(bin) ?? 0) + prior) / ((all.get(bin) ?? 0) + 1);
  const levels = new Map<number, [negative: number, positive: number]>();
  for (const { half, bin, target, rows } of counts) {
    if (half !== judged) continue;
    const share = shareOf(bin);
    const level = levels.get(share) ?? [0, 0];
    level[target === positive ? 1 : 0] += rows;
    levels.set(share, level);
  }
  let [below, area, positives] = [0, 0, 0];
  for (const [, [negative, positiveRows]] of [...levels].sort(([a], [b]) => a - b)) {
    area += positiveRows * (below + negative / 2);
    below += negative;
    positives += positiveRows;
  }
  return area / (below * positives);
}

function balancedAccuracy(counts: readonly ClassCount[], judged: 0 | 1, classes: readonly string[]): number {
  const learned = counts.filter(({ half }) => half !== judged);
  const mostOf = (some: readonly ClassCount[]): string | undefined =>
    [...totals(some, ({ target }) => target)].reduce<[string, number] | undefined>((best, one) => (best && best[1] >= one[1] ? best : one), undefined)?.[0];
  const usual = mostOf(learned)!;
  const byBin = new Map<string, ClassCount[]>();
  for (const one of learned) byBin.set(one.bin, [...(byBin.get(one.bin) ?? []), one]);
  const answers = new Map([...byBin].map(([bin, some]) => [bin, mostOf(some)]));
  const hitShares = classes.map((target) => {
    const ofClass = counts.filter((one) => one.half === judged && one.target === target);
    return rowsOf(ofClass.filter(({ bin }) => (answers.get(bin) ?? usual) === target)) / rowsOf(ofClass);
  });
  return hitShares.reduce((sum, share) => sum + share, 0) / classes.length;
}

function totals(counts: readonly ClassCount[], keyOf: (count: ClassCount) => string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const one of counts) sums.set(keyOf(one), (sums.get(keyOf(one)) ?? 0) + one.rows);
  return sums;
}

function rowsOf(counts: readonly ClassCount[]): number {
  return counts.reduce((sum, { rows }) => sum + rows, 0);
}
