import type { Pacer } from '../pacer.ts';
import { type BackTestPlan, originsOf } from './back-test.ts';
import { type ForecastPart, scorePart } from './forecast-part.ts';
import type { GlobalModel, Panel } from './global-model.ts';
import type { Learned } from './learn-series.ts';

/** Learns from what all series have before a step of the calendar; 'unfit' where that is too little, null when told to stop. */
export type LearnUntil = (until: number, fit: { number: number; fits: number }) => Promise<GlobalModel | 'unfit' | null>;

/**
 * Lets one model learn from all series: once before each part of the back-tests, where no series' values after that step are
 * seen, and once from everything. Null when the pacer said stop.
 */
export async function learnTogether(
  panel: Panel, plans: readonly BackTestPlan[], learn: LearnUntil, pacer: Pacer,
): Promise<Learned | { type: 'unfit'; series: string } | null> {
  const { set, covariates, horizon } = panel;
  const { series } = set;
  const points = pointsOf(panel, plans);
  const past: Float64Array[][] = plans.map((plan) => originsOf(plan).map(() => new Float64Array()));
  const unfit = { type: 'unfit' as const, series: '' };
  for (const [number, from] of points.entries()) {
    const model = await learn(from, { number, fits: points.length + 1 });
    if (model === null) return null;
    const next = points[number + 1] ?? Infinity;
    for (const [at, plan] of plans.entries()) {
      for (const [index, origin] of originsOf(plan).entries()) {
        const step = series[at]!.start + origin;
        const isForWidth = index < plan.calibration.length;
        if (step < from || step >= next || (isForWidth && model === 'unfit')) continue;
        if (model === 'unfit') return unfit;
        if (!(await pacer.mayContinue())) return null;
        past[at]![index] = forecastFrom(panel, model, at, origin);
      }
    }
  }
  const model = await learn(Infinity, { number: points.length, fits: points.length + 1 });
  if (model === null) return null;
  if (model === 'unfit' || past.some((origins) => origins.some((forecast) => !forecast.every(Number.isFinite)))) return unfit;
  const part = partOf(model, series.map(({ values }, at) => ({ series: at, origin: values.length })), panel);
  return { type: 'learned', past, parts: [covariates.width > 0 ? part : tableOf(part, horizon)], parameters: model.parameters };
}

/** The steps of the calendar from which the first series goes on to a new part of its plan. */
function pointsOf({ set }: Panel, plans: readonly BackTestPlan[]): number[] {
  const firstOf = (part: (plan: BackTestPlan) => number[]) =>
    plans.reduce((first, plan, at) => Math.min(first, set.series[at]!.start + (part(plan)[0] ?? Infinity)), Infinity);
  const parts = [firstOf(({ calibration }) => calibration), firstOf(({ validation }) => validation), firstOf(({ test }) => test)];
  return [...new Set(parts.filter(Number.isFinite))].sort((a, b) => a - b);
}

function forecastFrom(panel: Panel, model: GlobalModel, series: number, origin: number): Float64Array {
  const { covariates: { cells, width }, horizon } = panel;
  const part = partOf(model, [{ series, origin }], panel);
  return Float64Array.from({ length: horizon }, (_, step) =>
    scorePart(part, 0, step, cells[series]!.subarray((origin + step) * width, (origin + step + 1) * width)));
}

function partOf(model: GlobalModel, origins: readonly { series: number; origin: number }[], { horizon }: Panel): ForecastPart {
  const count = origins.length * horizon;
  const rows = new Float64Array(count * model.width);
  const part: ForecastPart = { base: new Float64Array(count), unit: new Float64Array(count), logarithmic: new Int32Array(origins.length), head: null };
  origins.forEach(({ series, origin }, at) => {
    const cells = model.cellsAt(series, origin);
    part.base.set(cells.base, at * horizon);
    part.unit.set(cells.unit, at * horizon);
    rows.set(cells.rows, at * horizon * model.width);
  });
  part.head = model.headOver(rows);
  return part;
}

/** What depends on no question is answered once for all. */
function tableOf(part: ForecastPart, horizon: number): ForecastPart {
  const base = part.base.map((_, cell) => scorePart(part, Math.floor(cell / horizon), cell, new Float64Array()));
  return { base, unit: base.map(() => 1), logarithmic: part.logarithmic, head: null };
}
