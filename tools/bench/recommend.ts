import { parseTrainingSpec, type TrainingSpec } from '@millrace/configuration';
import { type RecommendationTable, selectBackend, trainRecommender } from '@millrace/learning';

/** Users of kinds, each of which needs its own items; how much an item is wanted within its kind falls with its place. */
interface Shape {
  name: string;
  users: number;
  items: number;
  kinds: number;
  rows: number;
  /** share of a user's choices that fall on items of its own kind */
  own: number;
  /** users and items that say their kind, and stars that say how well kinds go together */
  described?: true;
}

const shapes: Shape[] = [
  { name: 'spare parts of machines', users: 600, items: 200, kinds: 8, rows: 9_000, own: 0.8 },
  { name: 'the same, described', users: 600, items: 200, kinds: 8, rows: 9_000, own: 0.8, described: true },
  { name: 'tools of customers', users: 3_000, items: 1_000, kinds: 20, rows: 60_000, own: 0.7 },
];

/** SplitMix32: draws of its own, so that nothing is shared with what is measured. */
export function createDraws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

interface Choice {
  user: number;
  item: number;
}

/** In the order of time, no item of a user twice. */
function choicesOf({ users, items, kinds, rows, own }: Shape, seed: number): Choice[] {
  const draw = createDraws(seed);
  const chosen = Array.from({ length: users }, () => new Set<number>());
  const perKind = Math.floor(items / kinds);
  const choices: Choice[] = [];
  while (choices.length < rows) {
    const user = Math.floor(draw() * users);
    const kind = draw() < own ? user % kinds : Math.floor(draw() * kinds);
    // The density falls along the list: the square of a uniform draw.
    const item = Math.floor(perKind * draw() ** 2) * kinds + kind;
    if (chosen[user]!.has(item)) continue;
    chosen[user]!.add(item);
    choices.push({ user, item });
  }
  return choices;
}

/**
 * What nobody can beat by more than chance: NDCG of the list in the order of the probabilities that the choices were drawn by, on
 * the choices that the run holds out. A fifth of a user's choices, the last ones.
 */
function bestPossible({ items, kinds, own }: Shape, choices: readonly Choice[], topN: number): number {
  const perKind = Math.floor(items / kinds);
  const share = (place: number) => Math.sqrt((place + 1) / perKind) - Math.sqrt(place / perKind);
  const byUser = new Map<number, number[]>();
  for (const { user, item } of choices) byUser.set(user, [...(byUser.get(user) ?? []), item]);
  let [sum, users] = [0, 0];
  for (const [user, had] of byUser) {
    if (had.length < 2) continue;
    const cut = had.length - Math.max(1, Math.floor(had.length * 0.2 + 1e-9));
    const [before, after] = [new Set(had.slice(0, cut)), new Set(had.slice(cut))];
    const chance = (item: number) => ((item % kinds === user % kinds ? own : 0) + (1 - own) / kinds) * share(Math.floor(item / kinds));
    const list = Array.from({ length: items }, (_, item) => item).filter((item) => !before.has(item)).sort((a, b) => chance(b) - chance(a)).slice(0, topN);
    const gain = (hits: boolean[]) => hits.reduce((total, isHit, at) => total + (isHit ? 1 / Math.log2(at + 2) : 0), 0);
    sum += gain(list.map((item) => after.has(item))) / gain(new Array<boolean>(Math.min(topN, after.size)).fill(true));
    users += 1;
  }
  return sum / users;
}

/** Choices of a shape, and how recommending is learned from them. */
export function recommendationTask(name: string, models: object[]): { table: RecommendationTable; spec: TrainingSpec } {
  return taskOf(shapes.find((shape) => shape.name === name)!, models);
}

function taskOf(shape: Shape, models?: object[]) {
  const choices = choicesOf(shape, 7);
  const feature = (name: string, of: (choice: Choice) => number) => ({ name, type: 'category' as const, values: choices.map((choice) => `kind ${of(choice) % shape.kinds}`) });
  const table: RecommendationTable = {
    users: choices.map(({ user }) => `u${user}`), items: choices.map(({ item }) => `i${item}`), ratings: null, times: choices.map((_, at) => String(at)),
    userFeatures: shape.described ? [feature('userKind', ({ user }) => user)] : [], itemFeatures: shape.described ? [feature('itemKind', ({ item }) => item)] : [],
  };
  const parsed = parseTrainingSpec({
    inputFeatures: [], outputFeatures: [{ name: 'item', type: 'category' }],
    recommendation: {
      userColumn: 'user', itemColumn: 'item', timeColumn: 'at',
      userFeatures: table.userFeatures.map(({ name, type }) => ({ name, type })), itemFeatures: table.itemFeatures.map(({ name, type }) => ({ name, type })),
      ...(models === undefined ? {} : { models }),
    },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return { choices, table, spec: parsed.spec };
}

/**
 * Every family on choices with a known structure, beside popularity and beside the best that the structure allows. Parameters: the
 * name of a shape, and candidates as JSON in place of the usual ones.
 */
export async function benchRecommend([only = '', models]: string[]): Promise<void> {
  await selectBackend({ prefer: 'wasm' });
  for (const shape of shapes.filter(({ name }) => name.includes(only))) {
    const { choices, table, spec } = taskOf(shape, models === undefined ? undefined : (JSON.parse(models) as object[]));
    const outcome = await trainRecommender({ table, spec });
    if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
    const { topN } = spec.recommendation!;
    console.log(`\n${shape.name}: ${shape.users} users, ${shape.items} items, ${shape.rows} choices; NDCG@${topN} of the drawing probabilities ${bestPossible(shape, choices, topN).toFixed(3)}`);
    console.log(`  ${'family'.padEnd(22)}   NDCG   × popularity   hit rate   recall     MRR   coverage   seconds`);
    for (const { family, parameters, metrics: { test, baseline }, fitTimeSeconds } of outcome.trials) {
      const figures = [test.hitRate!, test.recallAtN!, test.mrr!, test.coverage].map((value) => value.toFixed(3).padStart(8)).join(' ');
      console.log(`  ${family.padEnd(22)} ${test.ndcg!.toFixed(3).padStart(6)} ${(test.ndcg! / baseline.ndcg!).toFixed(2).padStart(10)}   ${figures} ${fitTimeSeconds.toFixed(1).padStart(10)}   ${models === undefined ? '' : JSON.stringify(parameters)}`);
    }
  }
}
