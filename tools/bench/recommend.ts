import { parseTrainingSpec } from '@millrace/configuration';
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
}

const shapes: Shape[] = [
  { name: 'spare parts of machines', users: 600, items: 200, kinds: 8, rows: 9_000, own: 0.8 },
  { name: 'tools of customers', users: 3_000, items: 1_000, kinds: 20, rows: 60_000, own: 0.7 },
];

/** SplitMix32: draws of its own, so that nothing is shared with what is measured. */
function createDraws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

export const kindOf = (place: number, kinds: number): number => place % kinds;

function choicesOf({ users, items, kinds, rows, own }: Shape, seed: number) {
  const draw = createDraws(seed);
  const chosen = Array.from({ length: users }, () => new Set<number>());
  const perKind = Math.floor(items / kinds);
  const events: { user: number; item: number }[] = [];
  while (events.length < rows) {
    const user = Math.floor(draw() * users);
    const kind = draw() < own ? kindOf(user, kinds) : Math.floor(draw() * kinds);
    // The density falls along the list: the square of a uniform draw.
    const item = Math.floor(perKind * draw() ** 2) * kinds + kind;
    if (chosen[user]!.has(item)) continue;
    chosen[user]!.add(item);
    events.push({ user, item });
  }
  return events;
}

export async function benchRecommend(): Promise<void> {
  await selectBackend({ prefer: 'wasm' });
  for (const shape of shapes) {
    const events = choicesOf(shape, 7);
    const table: RecommendationTable = {
      users: events.map(({ user }) => `u${user}`), items: events.map(({ item }) => `i${item}`), ratings: null,
      times: events.map((_, at) => String(at)), userFeatures: [], itemFeatures: [],
    };
    const parsed = parseTrainingSpec({
      inputFeatures: [], outputFeatures: [{ name: 'item', type: 'category' }], recommendation: { userColumn: 'user', itemColumn: 'item', timeColumn: 'at', ...JSON.parse(process.argv[3] ?? '{}') },
    });
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
    const outcome = await trainRecommender({ table, spec: parsed.spec });
    if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
    console.log(`\n${shape.name}`, outcome.rows, outcome.failures);
    for (const { family, metrics, fitTimeSeconds, parameters } of outcome.trials) {
      const m = metrics.test;
      console.log(family.padEnd(22), [m.ndcg, m.hitRate, m.recallAtN, m.mrr, m.coverage].map((v) => v!.toFixed(4)).join(' '), fitTimeSeconds.toFixed(2), JSON.stringify(parameters));
    }
  }
}
