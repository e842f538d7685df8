import type { ForecastHead } from './forecast-part.ts';
import type { Covariates } from './covariates.ts';
import type { SeriesSet } from './series.ts';

/** All series together, as a model that learns from all of them sees them. */
export interface Panel {
  set: SeriesSet;
  covariates: Covariates;
  horizon: number;
}

/** What a global model knows of an origin: for each of the next steps, what its head's answer is added to and scaled by, and the row it looks at. */
export interface OriginCells {
  base: Float64Array;
  unit: Float64Array;
  /** [horizon, width] */
  rows: Float64Array;
}

/** One model that was learned from all series up to some step, and forecasts each of them from later origins. */
export interface GlobalModel {
  /** What was chosen, for the leaderboard. */
  parameters: Record<string, unknown>;
  /** numbers of a row */
  width: number;
  /** `origin`: how many values of the series are known */
  cellsAt(series: number, origin: number): OriginCells;
  /** The same head for every origin, over the rows of one or more of them. */
  headOver(rows: Float64Array): ForecastHead;
}
