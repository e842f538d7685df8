import { maxItems, maxUsers, type RecommendationSettings } from '@millrace/configuration';
import { type ColumnData, inCodeUnitOrder, type Problem } from '../table.ts';
import { describeEntities, type EntityFeatures } from './entity-features.ts';

/** The columns of a recommendation, as they were read. All lists are of one length. */
export interface RecommendationTable {
  users: (string | null)[];
  items: (string | null)[];
  /** NaN where missing; null without a rating column */
  ratings: Float64Array | null;
  /** ISO 8601 or numbers as text; null without a time column */
  times: (string | null)[] | null;
  userFeatures: ColumnData[];
  itemFeatures: ColumnData[];
}

/** Which users had which items: those of user u lie at `starts[u]` to `starts[u + 1] - 1`, none twice. */
export interface Interactions {
  users: number;
  items: number;
  /** [users + 1] */
  starts: Int32Array;
  /** of a user in the order of time, where it is known */
  itemOf: Int32Array;
  /** how much of it, or how it was rated */
  strengths: Float64Array;
}

export interface InteractionSet {
  type: 'interactions';
  /** in code-unit order */
  userNames: string[];
  /** in code-unit order; also items that nobody had */
  itemNames: string[];
  pairs: Interactions;
  isTimed: boolean;
  userFeatures: EntityFeatures;
  itemFeatures: EntityFeatures;
  /** what was left out, in words */
  warnings: string[];
}

/** Fewer pairs of user and item than this show no pattern. */
const minPairs = 10;

/**
 * Puts rows together to pairs of user and item. Of implicit feedback, amounts of a pair are summed; of explicit feedback its
 * last rating counts, or the mean of all where no time is known. A pair's time is its first. A row with an item and no user
 * makes the item known.
 */
export function collectInteractions(table: RecommendationTable, settings: RecommendationSettings): InteractionSet | { type: 'invalid'; problems: Problem[] } {
  const isExplicit = settings.feedback === 'explicit';
  const invalid = (field: string, message: string, remedy: string) => ({ type: 'invalid' as const, problems: [{ field: `recommendation.${field}`, message, remedy }] });
  const infinite = table.ratings?.findIndex((rating) => rating === Infinity || rating === -Infinity) ?? -1;
  if (infinite >= 0) return invalid('ratingColumn', `The rating is infinite in row ${infinite + 1}.`, 'Correct the value or leave the cell empty.');
  const { rows, warnings } = usableRows(table, isExplicit);
  const order = inTime(table.times, rows);

  // An item without a name could not be told from an empty place of an answer.
  const itemNames = namesIn(table.items);
  const userNames = namesIn(rows.map((row) => table.users[row]!));
  if (userNames.length > maxUsers) return invalid('userColumn', `There are ${userNames.length} users; at most ${maxUsers} fit into a recommender.`, 'Leave out rare users, or put them into groups.');
  if (itemNames.length > maxItems) return invalid('itemColumn', `There are ${itemNames.length} items; at most ${maxItems} fit into a recommender.`, 'Leave out rare items, or put them into groups.');
  const userAt = new Map(userNames.map((name, at) => [name, at]));
  const itemAt = new Map(itemNames.map((name, at) => [name, at]));
  const byUser = userNames.map(() => new Map<number, { sum: number; count: number; last: number }>());
  for (const row of order) {
    const own = byUser[userAt.get(table.users[row]!)!]!;
    const item = itemAt.get(table.items[row]!)!;
    const strength = table.ratings ? table.ratings[row]! : 1;
    const pair = own.get(item);
    if (pair) Object.assign(pair, { sum: pair.sum + strength, count: pair.count + 1, last: strength });
    else own.set(item, { sum: strength, count: 1, last: strength });
  }
  const strengthOf = ({ sum, count, last }: { sum: number; count: number; last: number }) => (!isExplicit ? sum : table.times ? last : sum / count);
  const pairs = packInteractions(byUser.map((own) => [...own].map(([item, pair]) => [item, strengthOf(pair)])), itemNames.length);
  if (pairs.itemOf.length < minPairs) return invalid('userColumn', `There are ${pairs.itemOf.length} pairs of user and item; at least ${minPairs} are needed.`, 'Add rows.');
  const all = inTime(table.times, table.items.map((_, row) => row));
  const entities = (columns: ColumnData[], names: string[], of: (string | null)[]) => {
    const described = describeEntities(columns, names, of, all);
    warnings.push(...described.warnings);
    return described.features;
  };
  return {
    type: 'interactions', userNames, itemNames, pairs, isTimed: table.times !== null, warnings,
    userFeatures: entities(table.userFeatures, userNames, table.users),
    itemFeatures: entities(table.itemFeatures, itemNames, table.items),
  };
}

/** By user: items with their strengths. */
export function packInteractions(byUser: readonly (readonly (readonly [item: number, strength: number])[])[], items: number): Interactions {
  const starts = new Int32Array(byUser.length + 1);
  byUser.forEach((own, user) => (starts[user + 1] = starts[user]! + own.length));
  const flat = byUser.flat();
  return { users: byUser.length, items, starts, itemOf: Int32Array.from(flat, ([item]) => item), strengths: Float64Array.from(flat, ([, strength]) => strength) };
}

/** The same pairs by item: those of item i lie at `starts[i]`, `itemOf` holds users. */
export function transposed({ users, items, starts, itemOf, strengths }: Interactions): Interactions {
  const turned: Interactions = { users: items, items: users, starts: new Int32Array(items + 1), itemOf: new Int32Array(itemOf.length), strengths: new Float64Array(itemOf.length) };
  for (const item of itemOf) turned.starts[item + 1]! += 1;
  for (let item = 0; item < items; item++) turned.starts[item + 1]! += turned.starts[item]!;
  const next = turned.starts.slice();
  for (let user = 0; user < users; user++) {
    for (let at = starts[user]!; at < starts[user + 1]!; at++) {
      const place = next[itemOf[at]!]!++;
      turned.itemOf[place] = user;
      turned.strengths[place] = strengths[at]!;
    }
  }
  return turned;
}

function namesIn(values: readonly (string | null)[]): string[] {
  return [...new Set(values)].filter((name): name is string => name !== null && name !== '').sort(inCodeUnitOrder);
}

function usableRows(table: RecommendationTable, isExplicit: boolean): { rows: number[]; warnings: string[] } {
  const counts = { catalogue: 0, nameless: 0, unrated: 0, timeless: 0 };
  const rows: number[] = [];
  const isMissing = (value: string | null | undefined) => value === null || value === '';
  for (let row = 0; row < table.items.length; row++) {
    const rating = table.ratings ? table.ratings[row]! : 1;
    if (isMissing(table.items[row])) counts.nameless += 1;
    else if (isMissing(table.users[row])) counts.catalogue += 1;
    else if (Number.isNaN(rating) || (!isExplicit && rating <= 0)) counts.unrated += 1;
    else if (table.times && isMissing(table.times[row])) counts.timeless += 1;
    else rows.push(row);
  }
  const warnings = [
    ...(counts.nameless > 0 ? [`${counts.nameless} rows have no item and are left out.`] : []),
    ...(counts.catalogue > 0 ? [`${counts.catalogue} rows have no user: they make their items known, and nothing is learned from them.`] : []),
    ...(counts.unrated > 0 ? [`${counts.unrated} rows have no rating${isExplicit ? '' : ' above 0'} and are left out.`] : []),
    ...(counts.timeless > 0 ? [`${counts.timeless} rows have no time and are left out.`] : []),
  ];
  return { rows, warnings };
}

/** Rows in time, those of one time as they came; moments are numbers where all are, else text in code-unit order, as ISO 8601 is. */
function inTime(times: (string | null)[] | null, rows: number[]): number[] {
  if (!times) return rows;
  const words = [...new Set(rows.map((row) => times[row] ?? ''))];
  const areNumbers = words.every((word) => word === '' || Number.isFinite(Number(word)));
  const places = new Map(words.sort((a, b) => (areNumbers ? Number(a) - Number(b) : inCodeUnitOrder(a, b))).map((word, place) => [word, place]));
  const place = (row: number) => places.get(times[row] ?? '')!;
  return [...rows].sort((a, b) => place(a) - place(b) || a - b);
}

