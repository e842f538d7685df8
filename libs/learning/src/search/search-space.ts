import type { ModelSettings, TrainerSettings } from '@millrace/configuration';
import type { Random } from '../random.ts';

/** How one hyper-parameter may vary. Both bounds are included. */
export type Dimension =
  | { type: 'uniform' | 'logUniform' | 'integer' | 'logInteger'; low: number; high: number }
  | { type: 'choice'; of: readonly Value[] };

export type Value = number | string | boolean | readonly number[];

/** A place in a search space: hyper-parameters of the family, and for a network those of its trainer. */
export interface Point {
  settings: Record<string, Value>;
  trainer?: TrainerPatch;
}

/** Replaces single settings of the configuration's trainer. */
export type TrainerPatch = Partial<Pick<TrainerSettings, 'epochs' | 'batchSize' | 'optimizer' | 'learningRate'> & { l1: number; l2: number; patience: number }>;

export interface SearchSpace {
  settings: Record<string, Dimension>;
  trainer?: Partial<Record<keyof TrainerPatch, Dimension>>;
}

/** What a family may look at to size its space: rows to learn from, and the width of the table. */
export interface TableFacts {
  task: 'classification' | 'regression';
  rows: number;
  features: number;
  /** 0 for a regression */
  classes: number;
}

/** What a search knows about a family; declared in its plug-in. */
export interface FamilySearch {
  /** Without one, only the portfolio is tried. */
  space?(facts: TableFacts): SearchSpace;
  /**
   * Settings that do well on most tables, tried before anything is drawn at random. Over all families the lowest `order`
   * comes first: cheap and strong ones should.
   */
  portfolio(facts: TableFacts): { order: number; point: Point }[];
  /** Whether a fit of these settings watches held-out rows to know when to stop. Default: if it does not learn from them. */
  stopsByHeldOut?(settings: ModelSettings): boolean;
}

/** A point drawn from the whole space. */
export function samplePoint(space: SearchSpace, random: Random): Point {
  return mapPoint(space, (dimension) => valueAt(dimension, random.uniform()));
}

/**
 * A neighbour of a point: each number moves by up to a fifth of its range (in the logarithm where the dimension is
 * logarithmic), each choice is drawn again in one case of four. A value that the point lacks is drawn from its range.
 */
export function perturbPoint(space: SearchSpace, point: Point, random: Random): Point {
  return mapPoint(space, (dimension, part, name) => {
    const current = (part === 'settings' ? point.settings : ((point.trainer ?? {}) as Record<string, Value>))[name];
    // Both are always taken, so that the stream does not depend on the values met.
    const [move, again] = [random.uniform(), random.uniform()];
    if (current === undefined) return valueAt(dimension, move);
    if (dimension.type === 'choice') return move < 0.25 ? valueAt(dimension, again) : current;
    return valueAt(dimension, clamp(positionOf(dimension, Number(current)) + (move - 0.5) * 0.4));
  });
}

function mapPoint(space: SearchSpace, valueOf: (dimension: Dimension, part: 'settings' | 'trainer', name: string) => Value): Point {
  const part = (kind: 'settings' | 'trainer') =>
    Object.fromEntries(Object.entries(space[kind] ?? {}).map(([name, dimension]) => [name, valueOf(dimension, kind, name)]));
  return { settings: part('settings'), ...(space.trainer ? { trainer: part('trainer') as TrainerPatch } : {}) };
}

/** The value at a position from 0 to 1. */
function valueAt(dimension: Dimension, position: number): Value {
  switch (dimension.type) {
    case 'choice':
      return dimension.of[Math.min(dimension.of.length - 1, Math.floor(position * dimension.of.length))]!;
    case 'uniform':
      return rounded(dimension.low + position * (dimension.high - dimension.low));
    case 'logUniform':
      return rounded(dimension.low * (dimension.high / dimension.low) ** position);
    case 'integer':
      return Math.min(dimension.high, Math.floor(dimension.low + position * (dimension.high - dimension.low + 1)));
    case 'logInteger':
      return Math.round(dimension.low * (dimension.high / dimension.low) ** position);
  }
}

function positionOf(dimension: Exclude<Dimension, { type: 'choice' }>, value: number): number {
  const { low, high } = dimension;
  if (low === high) return 0;
  if (dimension.type === 'integer') return clamp((value - low + 0.5) / (high - low + 1));
  if (dimension.type === 'uniform') return clamp((value - low) / (high - low));
  // A logarithmic range may be extended by a 0 that a portfolio gives: it is nearest to the low end.
  return value <= low ? 0 : clamp(Math.log(value / low) / Math.log(high / low));
}

const clamp = (position: number) => Math.min(1, Math.max(0, position));
/** Four figures are enough, and read well on a leaderboard. */
const rounded = (value: number) => Number(value.toPrecision(4));
