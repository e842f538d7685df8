import { createRandom } from '../random.ts';
import { type Interactions, packInteractions } from './interactions.ts';

/** What each user had, in three parts that share no pair. */
export interface HoldOut {
  train: Interactions;
  validation: Interactions;
  test: Interactions;
}

export interface HoldOutOptions {
  /** share of a user's items that is learned from */
  trainFraction: number;
  /** share of these that is held back to choose by */
  validationFraction: number;
  seed: number;
  /** whether the items of a user come in time: then the last ones are held out, else some drawn by the seed */
  isTimed: boolean;
}

/**
 * Holds out of each user's items the last share, one at least: leave-last-out, as in Rendle et al. 2009 and He et al. 2017.
 * A user with one item teaches only; one with two is tested and does not help to choose.
 */
export function holdOut(pairs: Interactions, { trainFraction, validationFraction, seed, isTimed }: HoldOutOptions): HoldOut {
  const parts = { train: [] as [number, number][][], validation: [] as [number, number][][], test: [] as [number, number][][] };
  for (let user = 0; user < pairs.users; user++) {
    const [start, end] = [pairs.starts[user]!, pairs.starts[user + 1]!];
    const count = end - start;
    const order = isTimed ? Int32Array.from({ length: count }, (_, at) => at) : createRandom(seed, user).permutation(count);
    const own = Array.from(order, (at): [number, number] => [pairs.itemOf[start + at]!, pairs.strengths[start + at]!]);
    const test = count < 2 ? 0 : Math.max(1, Math.floor(count * (1 - trainFraction) + 1e-9));
    const rest = count - test;
    const validation = rest < 2 ? 0 : Math.max(1, Math.floor(rest * validationFraction + 1e-9));
    parts.train.push(own.slice(0, rest - validation));
    parts.validation.push(own.slice(rest - validation, rest));
    parts.test.push(own.slice(rest));
  }
  const pack = (byUser: [number, number][][]) => packInteractions(byUser, pairs.items);
  return { train: pack(parts.train), validation: pack(parts.validation), test: pack(parts.test) };
}
