import type { RecommendationModelSettings } from '@millrace/configuration';
import type { Pacer } from '../pacer.ts';
import type { Problem } from '../table.ts';
import { explicitFactors } from './explicit-factors.ts';
import type { ScoreRule } from './fitted-recommender.ts';
import { implicitFactors } from './implicit-factors.ts';
import type { Interactions, InteractionSet } from './interactions.ts';
import { itemNeighbours } from './item-neighbours.ts';
import { twoTower } from './two-tower.ts';

export type RecommenderFamilyName = RecommendationModelSettings['family'];

/** Where learning stands after a whole round; enough to go on from there bit for bit. */
export interface RecommenderState {
  /** from 1 */
  round: number;
  arrays: (Float32Array | Float64Array)[];
}

export interface RecommenderFit<Settings = RecommendationModelSettings> {
  data: Interactions;
  set: Pick<InteractionSet, 'userFeatures' | 'itemFeatures'>;
  settings: Settings;
  seed: number;
  pacer: Pacer;
  resume: RecommenderState | null;
  /** Told after each round; awaited. The state is only lent: it changes with the next round. */
  onRound(state: RecommenderState, loss: number): Promise<void>;
}

/** Null when the pacer said stop. */
export type RecommenderOutcome = { type: 'fitted'; rule: ScoreRule } | { type: 'unfit'; problem: Problem } | null;

/** Rounds in which a candidate learns; 0 for one that needs none. */
export function roundsOf(settings: RecommendationModelSettings): number {
  return settings.family === 'matrix_factorisation' ? settings.iterations : settings.family === 'two_tower' ? settings.epochs : 0;
}

export function fitRecommender(fit: RecommenderFit, feedback: 'implicit' | 'explicit'): Promise<RecommenderOutcome> {
  const { settings } = fit;
  switch (settings.family) {
    case 'popularity':
      return Promise.resolve({ type: 'fitted', rule: { type: 'popularity' } });
    case 'item_neighbours':
      return itemNeighbours({ ...fit, settings });
    case 'matrix_factorisation':
      return feedback === 'explicit' ? explicitFactors({ ...fit, settings }) : implicitFactors({ ...fit, settings });
    case 'two_tower':
      return twoTower({ ...fit, settings });
  }
}
