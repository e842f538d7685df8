import type { RecommendationModelSettings } from '@millrace/configuration';
import { createRandom } from '../random.ts';
import type { EntityFeatures } from './entity-features.ts';
import type { ScoreRule } from './fitted-recommender.ts';
import type { Interactions } from './interactions.ts';
import type { RecommenderFit, RecommenderOutcome, RecommenderState } from './recommender.ts';
import { lossAndSlopes, type Tower, towerVectors } from './tower-pass.ts';

type Settings = Extract<RecommendationModelSettings, { family: 'two_tower' }>;

/** How often a user or an item is shown as what its features say alone, so that these learn to stand for a new one. */
const anonymity = 0.2;
/** What Adagrad's sums of squares begin at. */
const firstSquare = 1e-8;

/**
 * One network for users, one for items; each makes a vector of length 1 from an embedding of who it is and, through a hidden layer,
 * from its features. What a user had is told apart from the items of the other pairs of a batch by a softmax over the cosines,
 * divided by the temperature (Yi et al. 2019): each distinct item once, its logit less the logarithm of the probability that it is
 * in a batch, 1 - (1 - q)^B for an item with a share q of all pairs. Adagrad (Duchi, Hazan & Singer 2011), in which an embedding
 * moves only when its own user or item is there.
 */
export async function twoTower({ data, set, settings, seed, pacer, resume, onRound }: RecommenderFit<Settings>): Promise<RecommenderOutcome> {
  const { epochs, batchSize } = settings;
  const pairs = data.itemOf.length;
  const userOf = new Int32Array(pairs);
  for (let user = 0; user < data.users; user++) userOf.fill(user, data.starts[user], data.starts[user + 1]);
  const isHad = new Uint8Array(data.items);
  for (const item of data.itemOf) isHad[item] = 1;
  const isTaught = Uint8Array.from({ length: data.users }, (_, user) => Number(data.starts[user + 1]! > data.starts[user]!));
  const towers = [beginTower(data.users, isTaught, set.userFeatures, settings, seed, 0), beginTower(data.items, isHad, set.itemFeatures, settings, seed, 1)] as const;
  restore(towers, resume);
  const corrections = logChances(data, batchSize);

  for (let epoch = (resume?.round ?? 0) + 1; epoch <= epochs; epoch++) {
    const order = createRandom(seed, 2, epoch).permutation(pairs);
    const random = createRandom(seed, 3, epoch);
    let total = 0;
    for (let start = 0; start < pairs; start += batchSize) {
      if (!(await pacer.mayContinue())) return null;
      const batch = order.subarray(start, start + batchSize);
      const [users, items] = [distinct(batch, userOf), distinct(batch, data.itemOf)];
      const namedOf = ({ features }: Tower, entities: Int32Array) => Uint8Array.from(entities, () => (features.width > 0 && random.uniform() < anonymity ? 0 : 1));
      const { loss, slopes } = lossAndSlopes({
        users: { tower: towers[0], entities: users.entities, isNamed: namedOf(towers[0], users.entities) },
        items: { tower: towers[1], entities: items.entities, isNamed: namedOf(towers[1], items.entities) },
        userAt: users.places, itemAt: items.places, temperature: settings.temperature,
        corrections: Float32Array.from(items.entities, (item) => corrections[item]!),
      });
      if (!Number.isFinite(loss)) return { type: 'unfit', problem: diverged(settings) };
      towers.forEach((tower, side) => descend(tower, side === 0 ? users.entities : items.entities, slopes[side]!, settings.learningRate));
      total += loss * batch.length;
    }
    await onRound({ round: epoch, arrays: arraysOf(towers) }, total / pairs);
  }
  return { type: 'fitted', rule: ruleOf(towers, isHad, settings) };
}

function beginTower(count: number, isTaught: Uint8Array, features: EntityFeatures, { factors: rank, hidden: units }: Settings, seed: number, side: number): Tower {
  const random = createRandom(seed, 1, side);
  const spread = (length: number, limit: number) => Float32Array.from({ length }, () => (2 * random.uniform() - 1) * limit);
  const { width } = features;
  // Who teaches nothing is nobody: only features tell anything.
  const identities = spread(count * rank, 1 / Math.sqrt(rank)).map((value, at) => (isTaught[Math.floor(at / rank)] ? value : 0));
  // Glorot & Bengio 2010
  const network = width === 0 ? [] : [spread(width * units, Math.sqrt(6 / (width + units))), new Float32Array(units), spread(units * rank, Math.sqrt(6 / (units + rank)))];
  const weights = [identities, ...network];
  return { rank, units, features, weights, squares: weights.map(({ length }) => new Float32Array(length).fill(firstSquare)) };
}

const arraysOf = (towers: readonly Tower[]) => towers.flatMap(({ weights, squares }) => [...weights, ...squares]);

function restore(towers: readonly Tower[], state: RecommenderState | null): void {
  if (state) arraysOf(towers).forEach((array, index) => array.set(state.arrays[index]!));
}

/** [items]: log of the probability that a batch holds the item. */
function logChances({ items, itemOf }: Interactions, batchSize: number): Float32Array {
  const counts = new Int32Array(items);
  for (const item of itemOf) counts[item]! += 1;
  return Float32Array.from(counts, (count) => Math.log(-Math.expm1(batchSize * Math.log1p(-Math.min(count / itemOf.length, 1 - 1e-9)))));
}

/** The entities of a batch, each once, and by pair the place of its own. */
function distinct(batch: Int32Array, of: Int32Array): { entities: Int32Array; places: Int32Array } {
  const seen = new Map<number, number>();
  const places = batch.map((pair) => {
    const entity = of[pair]!;
    const place = seen.get(entity) ?? seen.size;
    seen.set(entity, place);
    return place;
  });
  return { entities: Int32Array.from(seen.keys()), places };
}

function descend({ rank, weights, squares }: Tower, entities: Int32Array, slopes: Float32Array[], rate: number): void {
  weights.forEach((weight, index) => {
    const [slope, square] = [slopes[index]!, squares[index]!];
    for (let at = 0; at < slope.length; at++) {
      // The first array holds a row for each entity, its slopes one for each of the batch.
      const place = index === 0 ? entities[Math.floor(at / rank)]! * rank + (at % rank) : at;
      square[place]! += slope[at]! * slope[at]!;
      weight[place]! -= (rate * slope[at]!) / Math.sqrt(square[place]!);
    }
  });
}

function ruleOf([users, items]: readonly [Tower, Tower], isHad: Uint8Array, { factors: rank, temperature }: Settings): ScoreRule {
  const itemVectors = towerVectors(items).map((value) => value / temperature);
  // Of an item without users and features nothing is known: it comes after all others.
  const isKnown = (item: number) => isHad[item] === 1 || items.features.values.subarray(item * items.features.width, (item + 1) * items.features.width).some((value) => value !== 0);
  const bias = Float32Array.from(isHad, (_, item) => (isKnown(item) ? 0 : -3 / temperature));
  const { features } = users;
  if (features.width === 0) return { type: 'factors', rank, users: towerVectors(users), items: itemVectors, bias };
  const [identities, hidden, hiddenBias, output] = users.weights as [Float32Array, Float32Array, Float32Array, Float32Array];
  return {
    type: 'towers', rank, identities, items: itemVectors, bias, codes: features.codes, width: features.width, features: features.values,
    units: users.units, hidden, hiddenBias, output,
  };
}

function diverged({ learningRate }: Settings) {
  return {
    field: 'recommendation.models',
    message: `The two-tower network's loss grew beyond all numbers at a learning rate of ${learningRate}.`,
    remedy: 'Give a lower learning rate, or a higher temperature.',
  };
}

