import type { Pacer } from '../pacer.ts';
import { backTest, type BackTested, type BackTestPlan } from './back-test.ts';
import type { ForecastPart } from './forecast-part.ts';
import type { SeriesCandidate } from './forecaster.ts';
import type { Panel } from './global-model.ts';

/** How a candidate had forecast the past, and how it forecasts what comes. */
export interface Learned {
  type: 'learned';
  /** by series and origin, in the order of time; empty where calibration had too little before it */
  past: Float64Array[][];
  parts: ForecastPart[];
  parameters: Record<string, unknown>;
}

/** Lets a candidate learn from each series by itself. Null when the pacer said stop. */
export async function learnSeriesBySeries(panel: Panel, plans: readonly BackTestPlan[], candidate: SeriesCandidate, pacer: Pacer): Promise<Learned | { type: 'unfit'; series: string } | null> {
  const { set, covariates, horizon } = panel;
  const { width } = covariates;
  const past: Float64Array[][] = [];
  const cells = set.series.length * horizon;
  const part: ForecastPart = { base: new Float64Array(cells), unit: new Float64Array(cells).fill(1), logarithmic: new Int32Array(set.series.length), head: null };
  const weights = new Float64Array(set.series.length * width);
  let hasEffect = false;
  let single: BackTested | null = null;
  for (const [at, { name, values }] of set.series.entries()) {
    const tested = await backTest(candidate, values, width > 0 ? { cells: covariates.cells[at]!, width } : null, plans[at]!, horizon, pacer);
    if (tested === null) return null;
    if (tested === 'unfit') return { type: 'unfit', series: name };
    const future = tested.forecaster.forecast(values, horizon);
    if (!future.every(Number.isFinite)) return { type: 'unfit', series: name };
    past.push(tested.forecasts);
    part.base.set(future, at * horizon);
    const { effect } = tested.forecaster;
    if (effect) {
      hasEffect = true;
      part.logarithmic[at] = Number(effect.isLogarithmic);
      weights.set(effect.weights, at * width);
    }
    single = tested;
  }
  if (hasEffect) part.head = { type: 'linear', weights };
  const { family: _family, ...wishes } = candidate;
  return { type: 'learned', past, parts: [part], parameters: set.series.length === 1 ? single!.forecaster.parameters : { ...wishes, series: set.series.length } };
}
