import type { ClassCount } from './one-column-rule.ts';
import { literal, quotedName, type TableEngine } from './table-engine.ts';
import type { ColumnType, FileWarning } from './table-file.ts';
import type { Leak, TargetChoice } from './target-report.ts';

/** A value that means a class: seen so often, so surely; and such values together cover so much of the class. */
const minValueRows = 10;
const sureShare = 0.99;
const coveredShare = 0.9;

export const leakRemedy = 'Leave the column out, unless its value is known at the moment when predictions are made.';

/** A value of a column that surely means one class. `two` if the column has two values. */
export interface ValueSign {
  column: string;
  two: boolean;
  sign: { value: string; target: string } | null;
}

/** A value in SQL as the words that JavaScript has for it. */
export function wordOf(column: string, type: ColumnType): string {
  return type === 'number' ? `CASE WHEN ${column} = floor(${column}) AND abs(${column}) < 1e15 THEN ${column}::BIGINT::VARCHAR ELSE ${column}::VARCHAR END` : `${column}::VARCHAR`;
}

export function valueBinOf(column: string, type: ColumnType): string {
  return `coalesce('=' || ${wordOf(column, type)}, '')`;
}

/** Of a column of few values, those that are rarer than half of the rows and of which all rows but one in a hundred are of one class, itself no more frequent. */
export function signsOf(column: string, distinct: number, counts: readonly ClassCount[], rowsUsed: number): ValueSign[] {
  const two = distinct === 2;
  const signs: ValueSign[] = [{ column, two, sign: null }];
  if (distinct > 10) return signs;
  const byClass = grouped(counts, ({ target }) => target);
  for (const [bin, some] of grouped(counts, ({ bin: one }) => one)) {
    const total = some.reduce((sum, { rows }) => sum + rows, 0);
    if (total < minValueRows || total > rowsUsed / 2) continue;
    for (const [target, ofTarget] of grouped(some, (one) => one.target)) {
      const ofClass = byClass.get(target)!.reduce((sum, { rows }) => sum + rows, 0);
      const share = ofTarget.reduce((sum, { rows }) => sum + rows, 0) / total;
      if (share >= sureShare && ofClass <= rowsUsed / 2) signs.push({ column, two, sign: { value: bin, target } });
    }
  }
  return signs;
}

/** Where such values together cover nearly all of a class, each of the columns is a part of the target written down earlier. */
export async function leaksOfValues(engine: TableEngine, source: string, signs: readonly ValueSign[], target: TargetChoice, types: ReadonlyMap<string, ColumnType>): Promise<Leak[]> {
  const leaks: Leak[] = [];
  const given = signs.flatMap(({ column, sign }) => (sign ? [{ column, ...sign }] : []));
  for (const [meant, some] of grouped(given, (one) => one.target)) {
    const hits = some.map(({ column, value }) => `${valueBinOf(quotedName(column), types.get(column)!)} = ${literal(value)}`);
    const y = wordOf(quotedName(target.name), types.get(target.name)!);
    const [row] = (await engine.rows(`
      SELECT count(*) FILTER (${hits.join(' OR ')})::DOUBLE / count(*) FROM ${source} AND ${y} = ${literal(meant)}`)) as [[number]];
    if (row[0] < coveredShare) continue;
    for (const [column, own] of grouped(some, (one) => one.column)) {
      const others = [...new Set(some.map((one) => one.column))].filter((name) => name !== column);
      const values = own.map(({ value }) => (value === '' ? 'missing' : `“${value.slice(1)}”`)).join(' or ');
      leaks.push({
        kind: 'value', columns: [column],
        message: `Where “${column}” is ${values}, “${target.name}” is “${meant}”${others.length > 0 ? `; with ${others.map((name) => `“${name}”`).join(', ')} that covers` : ', and that covers'} ${Math.floor(row[0] * 100)} % of these rows: the column is probably a part of the target.`,
        remedy: leakRemedy,
      });
    }
  }
  return leaks;
}

/** A column of two values beside columns that are parts of the target is often one more, too rare to show. */
export function warnOfNeighbours(order: readonly string[], leaking: readonly string[], signs: readonly ValueSign[]): FileWarning[] {
  const two = new Set(signs.filter((one) => one.two).map(({ column }) => column));
  const found = new Set<string>();
  for (const step of [1, -1]) {
    for (const leak of leaking.filter((name) => two.has(name))) {
      for (let at = order.indexOf(leak) + step; two.has(order[at] ?? '') && !leaking.includes(order[at]!); at += step) found.add(order[at]!);
    }
  }
  return [...found].map((column) => ({
    code: 'beside_leak', field: column,
    message: `The column has two values and stands beside ${leaking.map((name) => `“${name}”`).join(', ')}, which give the target away.`,
    remedy: 'Check whether it belongs to them; if it does, leave it out as well.',
  }));
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
