import { splitTypeOf, type TrainingSpec } from '@millrace/configuration';
import type { SplitBy } from './split.ts';
import { categoryAt, type ColumnData, inCodeUnitOrder } from './table.ts';

/**
 * What the values of a column say to a split of `rows`, all of which have one. Moments and folds are in the order of
 * numbers where all are numbers; ISO 8601 dates of one form, which they are otherwise, are in time in the order of text.
 */
export function splitByOf(column: ColumnData, rows: Int32Array, spec: TrainingSpec): SplitBy | undefined {
  const type = splitTypeOf(spec);
  const words = Array.from(rows, (row) => categoryAt(column, row)!);
  const distinct = [...new Set(words)];
  const areNumbers = distinct.every((word) => word.trim() !== '' && Number.isFinite(Number(word)));
  const ordered = distinct.sort((a, b) => (areNumbers ? Number(a) - Number(b) : 0) || inCodeUnitOrder(a, b));
  const places = new Map(ordered.map((word, place) => [word, place]));
  const ranks = Int32Array.from(words, (word) => places.get(word)!);
  switch (type) {
    case 'grouped':
      return { type, groups: ranks };
    case 'time':
      return { type, ranks };
    case 'fold': {
      const fold = spec.split.fold ?? ordered[0];
      return { type, isTest: Uint8Array.from(words, (word) => (word === fold ? 1 : 0)) };
    }
    default:
      return undefined;
  }
}
