import { categoryAt, type ColumnData, inCodeUnitOrder } from '../table.ts';

/** How a column that describes users or items becomes numbers: standardised, or one 0/1 input for each value. */
export type FeatureCode =
  | { name: string; type: 'number'; min: number; max: number; mean: number; scale: number }
  | { name: string; type: 'category' | 'binary'; categories: string[] };

/** What is known of each user, or of each item. */
export interface EntityFeatures {
  codes: FeatureCode[];
  width: number;
  /** [entities, width]; a missing value is 0 throughout */
  values: Float32Array;
}

export const widthOf = (codes: readonly FeatureCode[]): number => codes.reduce((sum, code) => sum + (code.type === 'number' ? 1 : code.categories.length), 0);

/** Writes a value's inputs at `at`. Says whether there was a value that is known. */
export function encodeFeature(code: FeatureCode, value: number | string | null, target: Float32Array, at: number): boolean {
  if (code.type === 'number') {
    if (typeof value !== 'number' || Number.isNaN(value)) return false;
    target[at] = (value - code.mean) / code.scale;
    return true;
  }
  const place = value === null ? -1 : code.categories.indexOf(String(value));
  if (place < 0) return false;
  target.fill(0, at, at + code.categories.length);
  target[at + place] = 1;
  return true;
}

/** The last value in the order of the rows counts for each entity. */
export function describeEntities(
  columns: readonly ColumnData[], names: readonly string[], of: readonly (string | null)[], order: readonly number[],
): { features: EntityFeatures; warnings: string[] } {
  const places = new Map(names.map((name, at) => [name, at]));
  const warnings: string[] = [];
  const found = columns.map((column) => {
    const values = new Array<number | string | null>(names.length).fill(null);
    const differing = new Set<number>();
    for (const row of order) {
      const entity = places.get(of[row] ?? '');
      const value = column.type === 'number' ? column.values[row]! : categoryAt(column, row);
      if (entity === undefined || value === null || !(typeof value === 'string' || Number.isFinite(value))) continue;
      if (values[entity] !== null && values[entity] !== value) differing.add(entity);
      values[entity] = value;
    }
    if (differing.size > 0) warnings.push(`"${column.name}" changes from row to row for ${differing.size} of ${names.length}; the last value counts.`);
    return { column, values };
  });
  const codes = found.map(({ column, values }): FeatureCode => {
    const known = values.filter((value) => value !== null);
    if (column.type !== 'number') return { name: column.name, type: column.type === 'binary' ? 'binary' : 'category', categories: [...new Set(known as string[])].sort(inCodeUnitOrder) };
    const numbers = known as number[];
    const mean = numbers.length > 0 ? numbers.reduce((sum, value) => sum + value, 0) / numbers.length : 0;
    const deviation = Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, numbers.length));
    const [min, max] = numbers.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    return { name: column.name, type: 'number', min: numbers.length > 0 ? min : 0, max: numbers.length > 0 ? max : 0, mean, scale: deviation > 0 ? deviation : 1 };
  });
  const width = widthOf(codes);
  const encoded = new Float32Array(names.length * width);
  for (let entity = 0; entity < names.length; entity++) {
    let at = entity * width;
    codes.forEach((code, index) => {
      encodeFeature(code, found[index]!.values[entity]!, encoded, at);
      at += code.type === 'number' ? 1 : code.categories.length;
    });
  }
  return { features: { codes, width, values: encoded }, warnings };
}
