import type { Optimisation, OptimisationStep } from '@millrace/configuration';
import type { FittedPipeline } from '../pipeline.ts';

type Steps = OptimisationStep[];
type Target = NonNullable<Optimisation['target']>;

/** How a search goes about a family: what changes the shape of a model, mildest first, and what keeps its weights in fewer bits. */
interface Repertoire {
  shapes: Steps[];
  storages: Steps[];
}

const keep = (...shares: number[]): Steps[] => shares.map((share) => [{ method: 'prune_units', keep: share }]);
const distil = (...units: number[]): OptimisationStep => ({ method: 'distil', units, temperature: 2, teacherShare: 0.7 });
const int8 = (calibration: 'static' | 'dynamic'): OptimisationStep => ({ method: 'quantise', to: 'int8', calibration });
const float16: OptimisationStep = { method: 'quantise', to: 'float16' };
/** of nearest neighbours */
const columns: OptimisationStep = { method: 'quantise', to: 'int8' };
const shared: OptimisationStep = { method: 'cluster', clusters: 256 };
const merge: OptimisationStep = { method: 'merge_trees' };

/** Zeroed weights of a network are only packed smaller, which helps neither target: that is not among these, but can be asked for as steps. */
function repertoireOf({ estimator, heads }: FittedPipeline, target: Target): Repertoire {
  if (heads) return { shapes: [], storages: [[float16]] };
  const whole: Steps[] = [[int8('static')], [int8('dynamic')]];
  switch (estimator.family) {
    case 'dense': {
      const shapes = estimator.layers.some(({ residual }) => residual) ? [[distil(64, 32)]] : estimator.layers.length > 1 ? keep(0.5, 0.25, 0.12) : [];
      return { shapes, storages: target === 'SIZE' ? [...whole, [shared], [float16]] : whole };
    }
    case 'convolutional':
      return { shapes: keep(0.5, 0.25), storages: target === 'SIZE' ? [[int8('static')], [shared], [float16]] : [[int8('static')]] };
    case 'knn':
      return { shapes: [...[0.5, 0.25, 0.1, 0.04].map((share): Steps => [{ method: 'condense', keep: share }]), [distil(64, 32)]], storages: target === 'SIZE' ? [[columns], [float16]] : [] };
    case 'linear':
      return { shapes: [0.5, 0.8, 0.95].map((sparsity): Steps => [{ method: 'prune', sparsity }]), storages: target === 'SIZE' ? [[float16]] : [] };
    case 'boosted_trees':
    case 'random_forest':
      return { shapes: [[merge], ...[0.6, 0.35, 0.15].map((share): Steps => [{ method: 'prune_trees', keep: share }, merge]), [distil(64, 32)]], storages: [] };
    case 'ensemble':
      return { shapes: [[distil(128, 64)], [distil(64, 32)]], storages: target === 'SIZE' ? [[int8('static')], [float16]] : [[int8('static')]] };
    default:
      return { shapes: [], storages: [] };
  }
}

/** What is tried first: every change of shape, and every storage of the weights as they are. */
export function firstSteps(base: FittedPipeline, target: Target): Steps[] {
  const { shapes, storages } = repertoireOf(base, target);
  return base.estimator.family === 'ensemble' && !base.heads ? shapes : [...storages, ...shapes];
}

/** What is tried then: the storages of what paid, after the two furthest changes of shape that did. `paying` are steps of the first round. */
export function combinedSteps(base: FittedPipeline, target: Target, paying: readonly Steps[]): Steps[] {
  const { shapes, storages } = repertoireOf(base, target);
  const further = shapes.filter((shape) => isAmong(paying, shape)).slice(-2);
  const kept = base.estimator.family === 'ensemble' ? storages : storages.filter((storage) => isAmong(paying, storage)).slice(0, 2);
  return further.flatMap((shape) => kept.flatMap((storage) => (fits(shape, storage) ? [[...shape, ...storage]] : [])));
}

/** A network that was distilled from nearest neighbours or trees is kept as networks are, which the first round hasn't tried. */
const fits = (shape: Steps, storage: Steps): boolean => !shape.some(({ method }) => method === 'distil') || storage.some((step) => step.method === 'quantise');

const isAmong = (all: readonly Steps[], steps: Steps): boolean => all.some((other) => JSON.stringify(other) === JSON.stringify(steps));
