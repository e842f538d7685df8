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
 * head and the rest to prove it. Drawn at random by the seed; where the split goes by time, the latest rows, the proof last;
 * where it keeps groups of rows apart, such as the rows of one shift, so do these: some shifts prove the heads, others teach
 * them, the rest teaches the shared model. A group without rows in both gets no head.
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
  const type = splitTypeOf(spec);
  const moments = type === 'time' ? data.apart!.keys : null;
  const batches = type === 'grouped' ? assignBatches(learning, data.apart!.keys, share, spec.split.seed) : null;
  const kept = groups.flatMap((group, place): GroupRows[] => {
    const rows = byGroup.get(group)!;
    if (rows.length < minRows) return [];
    if (batches) {
      const [fit, proof] = [batches.fit, batches.proof].map((own) => Int32Array.from(rows.filter((row) => own.has(data.apart!.keys[row]!)))) as [Int32Array, Int32Array];
      return fit.length > 0 && proof.length > 0 ? [{ group, fit, proof }] : [];
    }
    const ordered = moments
      ? rows.toSorted((a, b) => moments[a]! - moments[b]! || a - b)
      : Array.from(createRandom(spec.split.seed, streamOfHeads, place).permutation(rows.length), (at) => rows[at]!);
    const own = ordered.slice(-Math.max(3, Math.round(rows.length * share)));
    const fit = Math.round(own.length * shareOfFit);
    return [{ group, fit: Int32Array.from(own.slice(0, fit)).sort(), proof: Int32Array.from(own.slice(fit)).sort() }];
  });
  return { groups, kept };
}

/** Which groups of the split prove the heads of all, and which teach them: at random by the seed, close to the share of the rows. None, where there are fewer than three. */
function assignBatches(rows: Int32Array, keys: Int32Array, share: number, seed: number): { fit: Set<number>; proof: Set<number> } {
  const sizes = new Map<number, number>();
  for (const row of rows) sizes.set(keys[row]!, (sizes.get(keys[row]!) ?? 0) + 1);
  const [fit, proof] = [new Set<number>(), new Set<number>()];
  const numbers = [...sizes.keys()].sort((a, b) => a - b);
  if (numbers.length < 3) return { fit, proof };
  const shuffled = Array.from(createRandom(seed, streamOfHeads).permutation(numbers.length), (at) => numbers[at]!);
  let taken = 0;
  for (const [own, upTo, left] of [[proof, share * (1 - shareOfFit), 2], [fit, share, 1]] as const) {
    // One of each at least, and some are left for what comes after.
    do {
      const batch = shuffled.pop()!;
      own.add(batch);
      taken += sizes.get(batch)!;
    } while (taken < rows.length * upTo && shuffled.length > left);
  }
  return { fit, proof };
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
