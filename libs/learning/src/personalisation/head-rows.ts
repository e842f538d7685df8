import { splitTypeOf, type TrainingSpec } from '@millrace/configuration';
import { prepareData, type PreparedData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import { categoryAt, findColumn, inCodeUnitOrder, type Table } from '../table.ts';

/** Rows of a group that the shared model has not seen. */
export interface GroupRows {
  group: string;
  /** to learn a head from */
  fit: Int32Array;
  /** to prove it on */
  proof: Int32Array;
}

const streamOfHeads = 201;
const shareOfFit = 2 / 3;

/**
 * Of each group with enough rows to learn from: the share that is kept from the shared model, two thirds of it to learn the
 * head and the rest to prove it. Drawn at random by the seed; where the split goes by time, the latest rows, the proof last.
 */
export function keepHeadRows(data: PreparedData, spec: TrainingSpec): { groups: string[]; kept: GroupRows[] } {
  const { column, minRows, share } = spec.personalisation!;
  const own = findColumn(data.table, column)!;
  const learning = Int32Array.from([...data.split.train, ...data.split.validation]).sort();
  const byGroup = new Map<string, number[]>();
  for (const row of learning) {
    const group = categoryAt(own, row);
    if (group === null) continue;
    const known = byGroup.get(group);
    if (known) known.push(row);
    else byGroup.set(group, [row]);
  }
  const groups = [...byGroup.keys()].sort(inCodeUnitOrder);
  const moments = splitTypeOf(spec) === 'time' ? data.apart!.keys : null;
  const kept = groups.flatMap((group, place): GroupRows[] => {
    const rows = byGroup.get(group)!;
    if (rows.length < minRows) return [];
    const ordered = moments
      ? rows.toSorted((a, b) => moments[a]! - moments[b]! || a - b)
      : Array.from(createRandom(spec.split.seed, streamOfHeads, place).permutation(rows.length), (at) => rows[at]!);
    const own = ordered.slice(-Math.max(3, Math.round(rows.length * share)));
    const fit = Math.round(own.length * shareOfFit);
    return [{ group, fit: Int32Array.from(own.slice(0, fit)).sort(), proof: Int32Array.from(own.slice(fit)).sort() }];
  });
  return { groups, kept };
}

/** What the shared model of a configuration with heads is trained with. The configuration must have been checked. */
export function sharedRows(table: Table, spec: TrainingSpec): { table: Table; testRows?: Int32Array } {
  const data = prepareData(table, spec);
  if (data.type === 'invalid') return { table };
  return { table: withoutHeadRows(table, data.target.name, keepHeadRows(data, spec).kept), testRows: data.split.test };
}

/** The table as the shared model sees it: without a target, rows are left aside. */
export function withoutHeadRows(table: Table, target: string, kept: readonly GroupRows[]): Table {
  const column = findColumn(table, target)!;
  const values = column.values.slice();
  for (const { fit, proof } of kept) {
    for (const row of [...fit, ...proof]) {
      if (column.type === 'number') values[row] = NaN;
      else (values as (string | null)[])[row] = null;
    }
  }
  return { ...table, columns: table.columns.map((own) => (own === column ? ({ ...column, values } as typeof column) : own)) };
}
