import * as tf from '@tensorflow/tfjs';
import type { EntityFeatures } from './entity-features.ts';
import { shortestVector } from './fitted-recommender.ts';

/** A network that makes a vector of each user, or of each item. */
export interface Tower {
  rank: number;
  units: number;
  features: EntityFeatures;
  /** [entities, rank] embeddings; with features also [width, units], [units], [units, rank] */
  weights: Float32Array[];
  /** Adagrad's sums of squares, as the weights */
  squares: Float32Array[];
}

export interface TowerBatch {
  tower: Tower;
  /** each once */
  entities: Int32Array;
  /** by entity: 0 where its features alone are to speak */
  isNamed: Uint8Array;
}

export interface PairBatch {
  users: TowerBatch;
  items: TowerBatch;
  /** by pair: the places of its user and its item among the entities */
  userAt: Int32Array;
  itemAt: Int32Array;
  temperature: number;
  /** by item of the batch: what is taken off its logits */
  corrections: Float32Array;
}

/**
 * Mean cross-entropy in nats of the pairs' items among the batch's, and its slopes: by tower, as its weights, of the embeddings
 * only the rows of the batch.
 */
export function lossAndSlopes({ users, items, userAt, itemAt, temperature, corrections }: PairBatch): { loss: number; slopes: [Float32Array[], Float32Array[]] } {
  return tf.tidy(() => {
    const [ofUsers, ofItems] = [tensorsOf(users), tensorsOf(items)];
    // Pairs of one user share their logits, so that no row has to be gathered: how often each user has each item is enough.
    const counts = new Float32Array(users.entities.length * items.entities.length);
    userAt.forEach((user, pair) => (counts[user * items.entities.length + itemAt[pair]!]! += 1));
    const truth = tf.tensor2d(counts, [users.entities.length, items.entities.length]);
    const lossOf = (...tensors: tf.Tensor[]): tf.Scalar => {
      const userVectors = vectors(users, tensors.slice(0, ofUsers.length));
      const itemVectors = vectors(items, tensors.slice(ofUsers.length));
      const cosines = tf.matMul(userVectors, itemVectors, false, true);
      const logits = tf.sub(tf.div(cosines, temperature), tf.tensor2d(corrections, [1, corrections.length]));
      return tf.div(tf.neg(tf.sum(tf.mul(truth, tf.logSoftmax(logits)))), userAt.length);
    };
    const { value, grads } = tf.valueAndGrads(lossOf)([...ofUsers, ...ofItems]);
    // Copies: the plain JavaScript backend hands out its own storage.
    const slopes = grads.map((gradient) => Float32Array.from(gradient.dataSync()));
    return { loss: value.dataSync()[0]!, slopes: [slopes.slice(0, ofUsers.length), slopes.slice(ofUsers.length)] };
  });
}

/** [entities, rank]: of all entities by their names and features. */
export function towerVectors(tower: Tower): Float32Array {
  const count = tower.weights[0]!.length / tower.rank;
  const result = new Float32Array(count * tower.rank);
  const chunk = 4096;
  for (let start = 0; start < count; start += chunk) {
    const entities = Int32Array.from({ length: Math.min(chunk, count - start) }, (_, at) => start + at);
    const batch: TowerBatch = { tower, entities, isNamed: new Uint8Array(entities.length).fill(1) };
    result.set(tf.tidy(() => vectors(batch, tensorsOf(batch)).dataSync() as Float32Array), start * tower.rank);
  }
  return result;
}

function tensorsOf({ tower: { rank, units, features, weights }, entities }: TowerBatch): tf.Tensor[] {
  const [identities, hidden, hiddenBias, output] = weights;
  const rows = tf.tensor2d(rowsOf(identities!, entities, rank), [entities.length, rank]);
  if (features.width === 0) return [rows];
  return [rows, tf.tensor2d(hidden!, [features.width, units]), tf.tensor1d(hiddenBias!), tf.tensor2d(output!, [units, rank])];
}

function vectors({ tower: { features }, entities, isNamed }: TowerBatch, [identities, hidden, hiddenBias, output]: tf.Tensor[]): tf.Tensor2D {
  let sum = identities as tf.Tensor2D;
  if (features.width > 0) {
    const inputs = tf.tensor2d(rowsOf(features.values, entities, features.width), [entities.length, features.width]);
    const named = tf.mul(sum, tf.tensor2d(Float32Array.from(isNamed), [entities.length, 1]));
    const units = tf.relu(tf.add(tf.matMul(inputs, hidden as tf.Tensor2D), hiddenBias!));
    sum = tf.add(named, tf.matMul(units as tf.Tensor2D, output as tf.Tensor2D));
  }
  const lengths = tf.sqrt(tf.maximum(tf.sum(tf.square(sum), 1, true), shortestVector * shortestVector));
  return tf.div(sum, lengths);
}

function rowsOf(table: Float32Array, entities: Int32Array, width: number): Float32Array {
  const rows = new Float32Array(entities.length * width);
  entities.forEach((entity, at) => rows.set(table.subarray(entity * width, (entity + 1) * width), at * width));
  return rows;
}
