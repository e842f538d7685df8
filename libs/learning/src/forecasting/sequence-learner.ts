import type { ForecastModelSettings } from '@millrace/configuration';
import type { EpochResult } from '../dense-network.ts';
import type { Pacer } from '../pacer.ts';
import { dilatedConvolutions } from './dilated-convolutions.ts';
import { gatedRecurrence } from './gated-recurrence.ts';
import type { GlobalModel, OriginCells, Panel } from './global-model.ts';
import { createLagFrame, type LagFrame } from './lag-frame.ts';
import type { LearnUntil } from './learn-together.ts';
import { headLayers, type SequenceExamples, type SequencePlan } from './sequence-network.ts';
import { type SequenceFit, type SequenceState, trainSequence } from './train-sequence.ts';

export type SequenceSettings = Extract<ForecastModelSettings, { family: 'gru' | 'tcn' }>;

/** Of a network's fits, one for each part of the back-tests and one for all values: those that are done, and where the next one stands. */
export interface SequenceProgress {
  fits: (SequenceFit | 'unfit')[];
  current: SequenceState | null;
}

/** Epochs that a network has had, in all of its fits. */
export function epochsOf({ fits, current }: SequenceProgress): number {
  return fits.reduce((sum, fit) => sum + (fit === 'unfit' ? 0 : fit.history.length), 0) + (current?.epoch ?? 0);
}

export interface SequenceJob {
  panel: Panel;
  settings: SequenceSettings;
  seed: number;
  /** names the streams of random numbers */
  candidate: number;
  pacer: Pacer;
  /** of an interrupted run */
  progress: SequenceProgress;
  /** Called after each epoch with what to go on from. Epochs count through all fits. */
  onEpoch(progress: SequenceProgress, result: EpochResult, epochs: number): Promise<void>;
}

/** Windows to learn from at most; of more, origins are left out evenly. */
const mostWindows = 4000;
const fewestWindows = 8;
const hidden = 32;
const longestContext = 128;

/**
 * One network for all series and steps. A window holds the values up to an origin, as deviations from the level there in
 * units of the usual change over a season, with the place in the season and the covariates. For the back-tests the newest
 * part of what they may see is held back, and says when to stop; the network of all values then learns for as many epochs as
 * that of the test.
 */
export function sequenceLearner({ panel, settings, seed, candidate, pacer, progress, onEpoch }: SequenceJob): LearnUntil {
  const windows = createWindows(panel, settings);
  const { plan } = windows;
  const done = [...progress.fits];
  const { series } = panel.set;
  return async (until, { number, fits }) => {
    const isLast = until === Infinity;
    if (!done[number]) {
      const lengths = series.map(({ values, start }) => Math.min(values.length, until - start));
      const back = (length: number) => (isLast ? 0 : Math.max(Math.min(2 * panel.horizon, Math.floor(length / 4)), Math.floor(length / 6)));
      const training = windows.examples(lengths.map((length) => ({ first: windows.shortest, end: length - back(length) })));
      const heldBack = isLast ? null : windows.examples(lengths.map((length) => ({ first: length - back(length), end: length })));
      const before = epochsOf({ fits: done, current: null });
      const last = done.at(-1);
      const epochs = isLast && last && last !== 'unfit' ? last.epochs : settings.epochs;
      const fit = training.count < fewestWindows || heldBack?.count === 0 ? 'unfit' : await trainSequence({
        plan, training, heldBack, epochs, learningRate: settings.learningRate, patience: settings.patience, seed, stream: 1000 * (candidate + 1) + number,
        resume: number === progress.fits.length ? progress.current : null, pacer,
        // A copy: training goes on in place, and the run may be stopped anywhere.
        onEpoch: (state, result) => onEpoch({ fits: [...done], current: structuredClone(state) }, { ...result, epoch: before + result.epoch }, before + epochs + (fits - 1 - number) * settings.epochs),
      });
      if (fit === null) return null;
      done[number] = fit === 'diverged' ? 'unfit' : fit;
    }
    const fit = done[number]!;
    return fit === 'unfit' ? fit : modelOf(windows, fit, settings);
  };
}

interface Windows {
  plan: SequencePlan;
  /** fewest values that an origin needs */
  shortest: number;
  examples(ranges: readonly { first: number; end: number }[]): SequenceExamples;
  /** what the encoder sees of an origin, and the head of each step, covariates aside */
  at(series: number, origin: number): { window: Float32Array; steps: Float64Array; cells: OriginCells };
  /** numbers of a step, covariates aside */
  width: number;
}

function createWindows(panel: Panel, settings: SequenceSettings): Windows {
  const { set, covariates, horizon } = panel;
  const { series, seasonLength: season } = set;
  const frame = createLagFrame(panel);
  const length = settings.context ? powerOfTwo(settings.context) : Math.min(longestContext, powerOfTwo(Math.max(16, 2.5 * season)));
  const turning = season > 1 ? 2 : 0;
  const channels = 2 + turning + covariates.width;
  const own = stepColumns(frame, horizon);
  const turn = (time: number): number[] => (season > 1 ? [Math.sin((2 * Math.PI * time) / season), Math.cos((2 * Math.PI * time) / season)] : []);
  const encoder = settings.family === 'gru' ? gatedRecurrence(channels, settings.units, length) : dilatedConvolutions(channels, settings.units, length);
  const width = own.length + turning;
  const plan: SequencePlan = { encoder, horizon, cells: width + covariates.width, hidden };

  const at: Windows['at'] = (index, origin) => {
    const { values, start } = series[index]!;
    const cells = frame.cellsAt(index, origin, season > 1 ? 'season' : 'level');
    const { level } = cells;
    const unit = cells.unit[0]!;
    const window = new Float32Array(length * channels);
    for (let place = Math.max(0, length - origin); place < length; place++) {
      const time = origin - length + place;
      const row = [(values[time]! - level) / unit, 1, ...turn(start + time), ...covariates.cells[index]!.subarray(time * covariates.width, (time + 1) * covariates.width)];
      window.set(row, place * channels);
    }
    const steps = new Float64Array(horizon * width);
    for (let step = 0; step < horizon; step++) {
      const row = cells.rows.subarray(step * frame.names.length, (step + 1) * frame.names.length);
      steps.set([...own.map((of) => of(row)), ...turn(start + origin + step)], step * width);
    }
    return { window, steps, cells };
  };

  function examples(ranges: readonly { first: number; end: number }[]): SequenceExamples {
    const all = ranges.reduce((sum, { first, end }) => sum + Math.max(0, end - first), 0);
    const stride = Math.max(1, Math.ceil(all / mostWindows));
    const origins = series.flatMap((_, index) => {
      const { first, end } = ranges[index]!;
      return Array.from({ length: Math.max(0, Math.ceil((end - first) / stride)) }, (_own, back) => ({ index, origin: end - 1 - back * stride, end }));
    });
    const made: SequenceExamples = {
      count: origins.length,
      windows: new Float32Array(origins.length * length * channels),
      steps: new Float32Array(origins.length * horizon * plan.cells),
      targets: new Float32Array(origins.length * horizon),
      known: new Float32Array(origins.length * horizon),
    };
    origins.forEach(({ index, origin, end }, example) => {
      const { window, steps, cells } = at(index, origin);
      made.windows.set(window, example * window.length);
      for (let step = 0; step < horizon; step++) {
        const to = example * horizon + step;
        made.steps.set(steps.subarray(step * width, (step + 1) * width), to * plan.cells);
        made.steps.set(covariates.cells[index]!.subarray((origin + step) * covariates.width, (origin + step + 1) * covariates.width), to * plan.cells + width);
        if (origin + step >= end) continue;
        made.targets[to] = (series[index]!.values[origin + step]! - cells.base[step]!) / cells.unit[step]!;
        made.known[to] = 1;
      }
    });
    return made;
  }
  return { plan, shortest: frame.shortest, examples, at, width };
}

/** What the head sees of a step: its distance, what the season had there, and where on the calendar it is. */
function stepColumns({ names }: LagFrame, horizon: number): ((row: Float64Array) => number)[] {
  const columns: ((row: Float64Array) => number)[] = [(row) => row[0]! / horizon];
  const numbered = (name: string, of: (value: number) => number[]) => {
    const at = names.indexOf(name);
    if (at >= 0) of(0).forEach((_, place) => columns.push((row) => of(row[at]!)[place]!));
  };
  for (const name of ['season before', 'two seasons before', 'mean of seasons', 'slope']) numbered(name, (value) => [Number.isNaN(value) ? 0 : value]);
  for (const [name, round] of [['month', 12], ['weekday', 7], ['hour', 24]] as const) numbered(name, (value) => [Math.sin((2 * Math.PI * value) / round), Math.cos((2 * Math.PI * value) / round)]);
  return columns;
}

function modelOf({ plan, at, width }: Windows, { weights, epochs }: SequenceFit, { units }: SequenceSettings): GlobalModel {
  const { encoder, horizon } = plan;
  const encoderWeights = weights.slice(0, encoder.weights.length);
  const whole = encoder.states + width;
  return {
    parameters: { units, epochs, weights: weights.reduce((sum, own) => sum + own.length, 0) },
    width: whole,
    cellsAt(series, origin) {
      const { window, steps, cells } = at(series, origin);
      const state = encoder.stateOf(window, encoderWeights);
      const rows = new Float64Array(horizon * whole);
      for (let step = 0; step < horizon; step++) {
        rows.set(state, step * whole);
        rows.set(steps.subarray(step * width, (step + 1) * width), step * whole + encoder.states);
      }
      return { ...cells, rows };
    },
    headOver: (rows) => ({ type: 'network', width: whole, rows: Float32Array.from(rows), layers: headLayers(plan, weights) }),
  };
}

const powerOfTwo = (least: number) => 2 ** Math.ceil(Math.log2(least));
