import type { Compression } from './compression.ts';
import { gainless, methodsFor, type OptimisationStep, type OptimisedBase, type OptimisedKind, quantisationsFor } from './optimisation.ts';
import type { SpecProblem } from './spec-problem.ts';

type Setting = 'targetSparsity' | 'quantize';
export type CompressionSteps = { type: 'suits'; steps: OptimisationStep[] } | { type: 'unfit'; problem: SpecProblem };

/** How a model is compressed: pruned, then quantised. An ensemble without heads is compressed by its members. */
export function compressionSteps(base: OptimisedBase, { targetSparsity, quantize }: Compression): CompressionSteps {
  const whom = base.hasHeads ? 'A model with heads' : `A model of the family ${base.family}`;
  const unfit = (setting: Setting, message: string): CompressionSteps => ({ type: 'unfit', problem: { field: `compress.${setting}`, message, remedy: remedyOf(base, setting) } });
  const steps: OptimisationStep[] = [];
  if (targetSparsity !== undefined) {
    const step = pruningStep(methodsFor(base), targetSparsity);
    if (!step) return unfit('targetSparsity', `${whom} cannot be pruned.`);
    steps.push(step);
  }
  if (quantize !== undefined) {
    const wanted = quantize === 'float16' ? { to: 'float16' } : { to: 'int8', calibration: quantize === 'int8_static' ? 'static' : 'dynamic' };
    // Where nothing is calibrated, static is what it is: nothing depends on the row that comes.
    const found = quantisationsFor(base).find(({ to, calibration = to === 'int8' ? 'static' : undefined }) => to === wanted.to && calibration === wanted.calibration);
    if (!found) return unfit('quantize', `${whom} cannot be kept as ${quantize}.`);
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

const remedies: Record<Exclude<OptimisedKind, 'forecast'>, Record<Setting, string>> = {
  plain: {
    targetSparsity: 'Add a network, a linear model, nearest neighbours or trees to the models, or leave it out.',
    quantize: 'Add a network to the models (nearest neighbours take float16 and int8_static, linear models float16, networks for pictures no int8_dynamic), or leave it out.',
  },
  anomaly: {
    targetSparsity: 'Add an isolation forest to the models, or leave it out.',
    quantize: 'Add an autoencoder to the models, or leave it out.',
  },
  recommendation: {
    targetSparsity: 'Leave it out; give quantize for a smaller recommender.',
    quantize: 'Add a matrix factorisation or a two-tower network to the models, which take float16 and int8_static, or leave it out.',
  },
  survival: {
    targetSparsity: 'Add boosted trees to the models, or leave it out.',
    quantize: 'Add accelerated failure times to the models, which take float16, or leave it out.',
  },
};

function remedyOf({ kind, hasHeads }: OptimisedBase, setting: Setting): string {
  if (hasHeads) return 'Heads were learned for the answers that the model gives now: take float16, or leave it out.';
  return kind === 'forecast' ? 'Leave it out.' : remedies[kind][setting];
}

/** What a check has to know of a configuration that asks for compression. */
interface Compressed {
  compress: Compression;
  /** families that may be chosen; none named: any */
  families: readonly string[];
  kind: OptimisedKind;
  hasHeads: boolean;
}

/** Refused where nothing is asked for, or no family that may be chosen can be compressed that way. */
export function checkCompression({ compress, families, kind, hasHeads }: Compressed): SpecProblem[] {
  const field = 'compress';
  const nothing = gainless[kind];
  if (nothing) return [{ field, message: nothing.message, remedy: `Leave it out. ${nothing.remedy}` }];
  const { targetSparsity, quantize } = compress;
  if (targetSparsity === undefined && quantize === undefined) {
    return [{ field: `${field}.targetSparsity`, message: 'There is neither a sparsity nor a quantisation.', remedy: 'Give targetSparsity, quantize or both, or leave compress out.' }];
  }
  const settings: Compression[] = [...(targetSparsity === undefined ? [] : [{ targetSparsity }]), ...(quantize === undefined ? [] : [{ quantize }])];
  // With heads every family takes the same, also where a search finds it.
  const bases = hasHeads && families.length === 0 ? [null] : families;
  if (bases.length === 0) return [];
  for (const asked of settings.length > 1 ? [...settings, compress] : settings) {
    const tried = bases.map((family) => compressionSteps({ family, kind, hasHeads }, asked));
    if (tried.some(({ type }) => type === 'suits')) continue;
    const [first] = tried;
    if (first?.type !== 'unfit') continue;
    const { problem } = first;
    const message = families.length < 2 || hasHeads ? problem.message : `None of the models can be compressed that way: ${families.join(', ')}.`;
    return [{ ...problem, message, ...(asked === compress && kind !== 'plain' ? { remedy: 'Give one of the two: no model of this kind takes both.' } : {}) }];
  }
  return [];
}
