import type { Compression } from './compression.ts';
import type { ModelFamily } from './families.ts';
import { methodsFor, type OptimisationStep, type OptimisedKind, quantisationsFor } from './optimisation.ts';
import type { SpecProblem } from './spec-problem.ts';

type Setting = 'targetSparsity' | 'quantize';
export type CompressionSteps = { type: 'suits'; steps: OptimisationStep[] } | { type: 'unfit'; problem: SpecProblem };

/** How a model of a family is compressed: pruned, then quantised. An ensemble is compressed by its members. */
export function compressionSteps(family: string, { targetSparsity, quantize }: Compression, kind: OptimisedKind = 'plain'): CompressionSteps {
  const base = { family, kind, hasHeads: false };
  const steps: OptimisationStep[] = [];
  if (targetSparsity !== undefined) {
    const step = pruningStep(methodsFor(base), targetSparsity);
    if (!step) return unfit('targetSparsity', `A model of the family ${family} cannot be pruned.`);
    steps.push(step);
  }
  if (quantize !== undefined) {
    const wanted = quantize === 'float16' ? { to: 'float16' } : { to: 'int8', calibration: quantize === 'int8_static' ? 'static' : 'dynamic' };
    // Where nothing is calibrated, static is what it is: nothing depends on the row that comes.
    const found = quantisationsFor(base).find(({ to, calibration = to === 'int8' ? 'static' : undefined }) => to === wanted.to && calibration === wanted.calibration);
    if (!found) return unfit('quantize', `A model of the family ${family} cannot be kept as ${quantize}.`);
    steps.push({ method: 'quantise', ...found });
  }
  return { type: 'suits', steps };
}

function pruningStep(methods: ReturnType<typeof methodsFor>, sparsity: number): OptimisationStep | null {
  const keep = Number((1 - sparsity).toFixed(6));
  if (methods.includes('prune')) return { method: 'prune', sparsity };
  if (methods.includes('condense')) return { method: 'condense', keep };
  return methods.includes('prune_trees') ? { method: 'prune_trees', keep } : null;
}

const remedies: Record<Setting, string> = {
  targetSparsity: 'Add a network, a linear model, nearest neighbours or trees to the models, or leave it out.',
  quantize: 'Add a network to the models (nearest neighbours take float16 and int8_static, linear models float16, networks for pictures no int8_dynamic), or leave it out.',
};

const unfit = (setting: Setting, message: string): CompressionSteps => ({ type: 'unfit', problem: { field: `compress.${setting}`, message, remedy: remedies[setting] } });

/** What a check has to know of a configuration that asks for compression. */
interface Compressed {
  compress: Compression;
  /** families that may be chosen; none named: any */
  families: readonly ModelFamily[];
  /** what else the run is, of which no model can be compressed: `forecast`, `personalisation` … */
  kind: string | null;
}

/** Refused where nothing is asked for, or no family that may be chosen can be compressed that way. */
export function checkCompression({ compress, families, kind }: Compressed): SpecProblem[] {
  const field = 'compress';
  if (kind !== null) return [{ field, message: `A model of a run with ${kind} cannot be compressed yet.`, remedy: 'Leave it out.' }];
  const { targetSparsity, quantize } = compress;
  if (targetSparsity === undefined && quantize === undefined) {
    return [{ field: `${field}.targetSparsity`, message: 'There is neither a sparsity nor a quantisation.', remedy: 'Give targetSparsity, quantize or both, or leave compress out.' }];
  }
  if (families.length === 0) return [];
  const settings: Compression[] = [...(targetSparsity === undefined ? [] : [{ targetSparsity }]), ...(quantize === undefined ? [] : [{ quantize }])];
  for (const asked of settings.length > 1 ? [...settings, compress] : settings) {
    const tried = families.map((family) => compressionSteps(family, asked));
    if (tried.some(({ type }) => type === 'suits')) continue;
    const [first] = tried;
    if (first?.type === 'unfit') return [{ ...first.problem, message: families.length === 1 ? first.problem.message : `None of the models can be compressed that way: ${families.join(', ')}.` }];
  }
  return [];
}
