import { type RecommendationModelSettings } from '@millrace/configuration';
import * as tf from '@tensorflow/tfjs';
import { selectBackend } from '../backend.ts';
import { createPacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import { bestItems, recommend, type ScoreRule } from './fitted-recommender.ts';
import { holdOut } from './hold-out.ts';
import { type Interactions, packInteractions } from './interactions.ts';
import { meanRatings, popularityOf } from './popularity.ts';
import { scoreLists } from './ranking-metrics.ts';
import { fitRecommender, type RecommenderState } from './recommender.ts';
import { lossAndSlopes, type PairBatch, type Tower } from './tower-pass.ts';

const nothing = { codes: [], width: 0, values: new Float32Array() };
const fromMatrix = (rows: number[][]) => packInteractions(rows.map((row) => row.flatMap((strength, item): [number, number][] => (strength === 0 ? [] : [[item, strength]]))), rows[0]!.length);

async function fit(data: Interactions, settings: RecommendationModelSettings, feedback: 'implicit' | 'explicit' = 'implicit', resume: RecommenderState | null = null) {
  const losses: number[] = [];
  const states: RecommenderState[] = [];
  const outcome = await fitRecommender({
    data, set: { userFeatures: nothing, itemFeatures: nothing }, settings, seed: 3, pacer: createPacer(), resume,
    onRound(state, loss) {
      losses.push(loss);
      states.push({ round: state.round, arrays: state.arrays.map((array) => array.slice()) });
      return Promise.resolve();
    },
  }, feedback);
  if (outcome?.type !== 'fitted') throw new Error(JSON.stringify(outcome));
  return { rule: outcome.rule, losses, states };
}

function productsOf(rule: ScoreRule): number[][] {
  if (rule.type !== 'factors') throw new Error(rule.type);
  const { rank, users, items, bias } = rule;
  return Array.from({ length: users.length / rank }, (_, user) =>
    Array.from(bias, (own, item) => Array.from({ length: rank }).reduce<number>((sum, _axis, axis) => sum + users[user * rank + axis]! * items[item * rank + axis]!, own)));
}

function expectNear(found: number[][], expected: number[][], digits: number) {
  expected.forEach((row, at) => row.forEach((value, place) => expect(found[at]![place]).toBeCloseTo(value, digits)));
}

describe('metrics of lists', () => {
  it('are those of hand', () => {
    // hits at 2 and 4: (1/log2 3 + 1/log2 5) / (1 + 1/log2 3 + 1/2)
    const list = { recommended: [4, 2, 7, 0, 1, 3, 5, 6], relevant: new Set([2, 0, 6]) };
    const top5 = scoreLists([list], 5, 16);
    expect(top5).toEqual({ type: 'recommendation', users: 1, topN: 5, coverage: 5 / 16, ndcg: expect.closeTo(0.498189257466413, 12), hitRate: 1, recallAtN: 2 / 3, mrr: 1 / 2 });
    expect(scoreLists([list], 2, 16)).toMatchObject({ ndcg: expect.closeTo(0.386852807234542, 12), recallAtN: 1 / 3 });
    // hits at 2 to 5, none at 1
    expect(scoreLists([{ recommended: [6, 1, 0, 2, 3, 4, 5, 7], relevant: new Set([1, 5, 3, 2, 7, 0]) }], 5, 8).ndcg).toBeCloseTo(0.660839794726384, 12);
    expect(scoreLists([list, { recommended: [9], relevant: new Set([1]) }, { recommended: [8], relevant: new Set() }], 5, 16)).toMatchObject({
      users: 2, hitRate: 0.5, recallAtN: 1 / 3, mrr: 0.25, coverage: 7 / 16,
    });
    expect(scoreLists([{ recommended: [1], relevant: new Set() }], 5, 2)).toMatchObject({ users: 0, ndcg: null, hitRate: null, recallAtN: null, mrr: null });
  });
});

describe('popularity', () => {
  it('is the share of users, and of ratings the damped mean', () => {
    const data = fromMatrix([[4, 0, 1], [2, 0, 5], [0, 0, 3]]);
    expect([...popularityOf(data)]).toEqual([Math.fround(2 / 3), 0, 1]);
    expect([...meanRatings(data)]).toEqual([Math.fround((15 + 6) / 7), 3, Math.fround((15 + 9) / 8)]);
  });
});

describe('item neighbours', () => {
  it('are the nearest by cosine, less so where few users share them', async () => {
    const { rule } = await fit(fromMatrix([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0]]), { family: 'item_neighbours', neighbours: 2, shrinkage: 1 });
    const [of01, of02, of12] = [(2 / Math.sqrt(4 * 2)) * (2 / 3), (2 / Math.sqrt(4 * 2)) * (2 / 3), (1 / 2) * (1 / 2)].map(Math.fround) as [number, number, number];
    expect(rule).toEqual({ type: 'neighbours', count: 2, neighbours: Int32Array.of(1, 2, 0, 2, 0, 1, 4, 4), similarities: Float32Array.of(of01, of02, of01, of12, of02, of12, 0, 0) });
  });
});

describe('factors of implicit feedback', () => {
  const strengths = [[1, 3, 0, 0, 0, 0], [0, 1, 2, 0, 0, 0], [1, 1, 1, 0, 0, 1], [0, 0, 0, 2, 1, 0], [0, 0, 0, 1, 1, 0], [0, 0, 1, 5, 0, 0], [0, 0, 0, 0, 1, 4]];
  const settings = { family: 'matrix_factorisation', factors: 2, iterations: 200, regularisation: 0.5, confidence: 4 } as const;

  // Found by L-BFGS over the written-out sum (NumPy and SciPy), from 40 beginnings.
  it('reach the least sum that another program finds, with its products', async () => {
    const { rule, losses } = await fit(fromMatrix(strengths), settings);
    expect(losses.at(-1)! * 16).toBeCloseTo(13.472438982219, 8);
    expectNear(productsOf(rule), [
      [0.81518887, 0.93483181, 0.68996199, -0.29982227, -0.36021597, 0.42307888], [0.76968193, 0.89077348, 0.8489773, 0.06803682, -0.01195449, 0.65220826],
      [0.90031673, 1.04436543, 1.05151675, 0.18347528, 0.08311127, 0.83768829], [-0.26707444, -0.28671131, 0.24936014, 0.94328792, 0.90779381, 0.46968682],
      [-0.26487208, -0.2844599, 0.24456044, 0.93063278, 0.89575037, 0.46230339], [0.22182715, 0.27725215, 0.74353566, 0.90634731, 0.82528636, 0.82626957],
      [0.16066145, 0.20806985, 0.7151106, 0.9703398, 0.89109584, 0.82439489],
    ], 5);
  });

  it('never get worse by an iteration, and go on from a state bit for bit', async () => {
    const { rule, losses, states } = await fit(fromMatrix(strengths), { ...settings, iterations: 12 });
    losses.slice(1).forEach((loss, at) => expect(loss).toBeLessThanOrEqual(losses[at]! + 1e-12));
    expect((await fit(fromMatrix(strengths), { ...settings, iterations: 12 }, 'implicit', states[4]!)).rule).toEqual(rule);
  });

  it('are none for an item that nobody had', async () => {
    const { rule } = await fit(fromMatrix(strengths.map((row) => [...row, 0])), settings);
    expect(productsOf(rule).map((row) => Math.abs(row[6]!))).toEqual(new Array(7).fill(0));
  });
});

describe('factors of ratings', () => {
  const ratings: [number, number, number][] = [[0, 0, 5], [0, 1, 4], [0, 3, 1], [1, 0, 4], [1, 2, 2], [2, 1, 5], [2, 2, 1], [2, 3, 2], [3, 0, 1], [3, 3, 5], [4, 1, 2], [4, 2, 4], [4, 3, 4], [5, 0, 3]];
  const data = packInteractions(Array.from({ length: 6 }, (_, user) => ratings.filter(([own]) => own === user).map(([, item, rating]): [number, number] => [item, rating])), 4);

  // Found by L-BFGS over equation 5 (NumPy and SciPy), from 180 beginnings, all of which end there.
  it('reach the least sum that another program finds, with its predictions', async () => {
    const { rule, losses } = await fit(data, { family: 'matrix_factorisation', factors: 2, iterations: 500, regularisation: 0.03, confidence: 1 }, 'explicit');
    expect(losses.at(-1)! * ratings.length).toBeCloseTo(1.331168773108, 6);
    expectNear(productsOf(rule), [
      [4.94923004, 4.00745195, 1.36741312, 1.05730123], [3.98375012, 3.82640487, 2.01539145, 2.32976352], [4.45221779, 4.94491951, 1.0507181, 1.99722613],
      [1.04238346, 1.88995374, 3.9662675, 4.96373282], [2.36157443, 2.03712912, 3.96951371, 3.98864052], [3.00285401, 3.005292, 2.68259455, 3.0695679],
    ], 3);
  });
});

describe('the two-tower network', () => {
  const random = createRandom(5);
  const draws = (length: number, size = 1) => Float32Array.from({ length }, () => size * (2 * random.uniform() - 1));
  const tower = (entities: number, width: number): Tower => ({
    rank: 3, units: 2, features: { codes: [], width, values: draws(entities * width) },
    weights: [draws(entities * 3), ...(width > 0 ? [draws(width * 2), draws(2, 0.5), draws(6)] : [])], squares: [],
  });
  const batch: PairBatch = {
    users: { tower: tower(4, 2), entities: Int32Array.of(3, 0, 2), isNamed: Uint8Array.of(1, 0, 1) },
    items: { tower: tower(5, 0), entities: Int32Array.of(4, 1), isNamed: Uint8Array.of(1, 1) },
    userAt: Int32Array.of(0, 1, 2, 0), itemAt: Int32Array.of(0, 1, 1, 1), temperature: 0.5, corrections: Float32Array.of(-0.3, -1.2),
  };

  /** The loss with plain loops in float64. */
  function plainLoss({ users, items, userAt, itemAt, temperature, corrections }: PairBatch): number {
    const vector = ({ tower: { rank, units, features, weights: [names, hidden, bias, output] }, entities, isNamed }: PairBatch['users'], at: number) => {
      const entity = entities[at]!;
      const sum = Array.from({ length: rank }, (_, axis) => isNamed[at]! * names![entity * rank + axis]!);
      for (let unit = 0; features.width > 0 && unit < units; unit++) {
        let value = bias![unit]!;
        for (let input = 0; input < features.width; input++) value += features.values[entity * features.width + input]! * hidden![input * units + unit]!;
        for (let axis = 0; axis < rank; axis++) sum[axis]! += Math.max(0, value) * output![unit * rank + axis]!;
      }
      return sum.map((value) => value / Math.hypot(...sum));
    };
    let loss = 0;
    userAt.forEach((user, pair) => {
      const own = vector(users, user);
      const logits = Array.from(items.entities, (_, item) => vector(items, item).reduce((sum, value, axis) => sum + value * own[axis]!, 0) / temperature - corrections[item]!);
      loss += Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[itemAt[pair]!]!;
    });
    return loss / userAt.length;
  }

  it.each(['cpu', 'wasm'] as const)('has the loss of its formula, and the slopes of finite differences (%s)', async (backend) => {
    await selectBackend({ prefer: backend });
    const before = tf.memory().numTensors;
    const { loss, slopes } = lossAndSlopes(batch);
    expect(tf.memory().numTensors).toBe(before);
    expect(loss).toBeCloseTo(plainLoss(batch), 5);
    [batch.users, batch.items].forEach(({ tower: { weights, rank }, entities }, side) => {
      weights.forEach((weight, index) => slopes[side]![index]!.forEach((slope, at) => {
        const place = index === 0 ? entities[Math.floor(at / rank)]! * rank + (at % rank) : at;
        const kept = weight[place]!;
        const at1e3 = [1, -1].map((sign) => ((weight[place] = kept + sign * 1e-3), [weight[place]!, plainLoss(batch)] as const));
        weight[place] = kept;
        expect(slope).toBeCloseTo((at1e3[0]![1] - at1e3[1]![1]) / (at1e3[0]![0] - at1e3[1]![0]), 3);
      }));
    });
  });
});

describe('holding out', () => {
  const pairs = packInteractions([[3, 1, 2, 0, 4], [2, 0], [1], [0, 1, 4]].map((own) => own.map((item): [number, number] => [item, 1])), 5);
  const listed = ({ users, starts, itemOf }: Interactions) => Array.from({ length: users }, (_, user) => [...itemOf.subarray(starts[user], starts[user + 1])]);
  const options = { trainFraction: 0.6, validationFraction: 0.34, seed: 1 };

  it('takes the last ones where time is known', () => {
    const { train, validation, test } = holdOut(pairs, { ...options, isTimed: true });
    expect([train, validation, test].map(listed)).toEqual([[[3, 1], [2], [1], [0]], [[2], [], [], [1]], [[0, 4], [0], [], [4]]]);
  });

  it('else some by the seed; no pair is in two parts, and none is lost', () => {
    const parts = (seed: number) => Object.values(holdOut(pairs, { ...options, seed, isTimed: false })).map(listed);
    const [train, validation, test] = parts(1) as [number[][], number[][], number[][]];
    listed(pairs).forEach((own, user) => expect([...train[user]!, ...validation[user]!, ...test[user]!].sort()).toEqual([...own].sort()));
    expect(parts(1)).toEqual(parts(1));
    expect(parts(1)).not.toEqual(parts(2));
  });
});

describe('answers', () => {
  it('go from the highest score, equals in the order of the items', () => {
    expect([...bestItems(Float32Array.of(1, 3, 2, 3, 2, 0), Uint8Array.of(0, 0, 0, 0, 0, 1), 4)]).toEqual([1, 3, 2, 4]);
    expect([...bestItems(Float32Array.of(1, 3), Uint8Array.of(1, 0), 4)]).toEqual([1]);
  });

  it('leave out what was had and what is not wanted; a stranger gets what is popular', () => {
    const recommender = {
      family: 'matrix_factorisation', user: 'u', item: 'i', users: ['a', 'b'], items: ['w', 'x', 'y', 'z'], topN: 2, excludesSeen: true,
      seen: { starts: Int32Array.of(0, 1, 1), items: Int32Array.of(3) }, popularity: Float32Array.of(0, 1, 0.5, 0),
      rule: { type: 'factors' as const, rank: 1, users: Float32Array.of(1, -1), items: Float32Array.of(1, 2, 3, 4), bias: new Float32Array(4) },
    };
    expect(recommend(recommender, { user: 'a' })).toEqual({ items: ['y', 'x'], scores: [3, 2] });
    expect(recommend(recommender, { user: 'b', exclude: ['w', 'v'] })).toEqual({ items: ['x', 'y'], scores: [-2, -3] });
    expect(recommend(recommender, { user: 'c' })).toEqual({ items: ['x', 'y'], scores: [1, 0.5] });
    expect(recommend({ ...recommender, excludesSeen: false }, { user: 'a' }).items).toEqual(['z', 'y']);
  });
});
