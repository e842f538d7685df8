import type { FittedFeature } from './fitted-columns.ts';
import type { FittedPipeline } from './fitted-pipeline.ts';
import type { FittedSurvival } from './fitted-survival.ts';
import { GraphCursor, UnknownGraph } from './graph-cursor.ts';
import { type PackageFiles, signatureBytes } from './model-package.ts';
import { readEstimator } from './read-estimator.ts';
import { readGraph, UnfitModel } from './read-graph.ts';
import { featuresOf, jsonOf, numberNames } from './read-pipeline.ts';
import { parseSignature } from './signature.ts';
import { survivalSignature, writeSurvival } from './write-survival.ts';

export type ReadSurvival = { type: 'read'; survival: FittedSurvival } | { type: 'unreadable'; reason: 'unsupported'; message: string };

const unsupported = (message: string): ReadSurvival => ({ type: 'unreadable', reason: 'unsupported', message });

/**
 * The survival model of a location (a line or trees) that a package was written from, the same to the last byte once it is written again,
 * or refused. How widely times spread is not in a graph and comes back as 1.
 */
export function readSurvival(files: PackageFiles): ReadSurvival {
  const model = files.get('model.onnx');
  const parsed = parseSignature(jsonOf(files.get('signature.json')));
  if (!model || 'complaint' in parsed) return unsupported('The package has no graph, or no signature.');
  const { signature } = parsed;
  if (!signature.survival || signature.output.type !== 'number') return unsupported('The model gives no survival.');
  if (signature.family === 'kaplan_meier') return unsupported('A curve that is the same for all rows is not read back.');
  const { horizon, intervalCoverage } = signature.survival;
  try {
    const cursor = new GraphCursor(readGraph(model));
    const target = { name: signature.output.name, type: 'number' as const, mean: 0, scale: 1 };
    const pipeline = withUsualHorizon(readEstimator(cursor, featuresOf(signature, numberNames(model)), target, 'boosted_trees'), horizon);
    cursor.skip('Gather', 'IsNaN', 'Where', 'Max', 'Log', 'Sub');
    const scale = cursor.number(cursor.take('Div').inputs[1]);
    for (let level = 0; level < 3; level++) cursor.skip('Add', 'Exp');
    const distribution = cursor.peek() === 'Exp' ? 'weibull' : 'log_normal';
    const survival: FittedSurvival = { family: signature.family, target: target.name, features: pipeline.features, answer: { type: 'location', pipeline, distribution, scale }, horizon, intervalCoverage, spread: 1 };
    const fresh = survivalSignature(survival);
    // How many rows a call takes may have been measured since.
    const again = { ...fresh, graph: { ...fresh.graph, rowsPerCall: signature.graph.rowsPerCall } };
    const isSame = Buffer.from(writeSurvival(survival, again)).equals(model) && Buffer.from(signatureBytes(again)).equals(files.get('signature.json')!);
    return isSame ? { type: 'read', survival } : unsupported('The model was written in another way than this version of Millrace does.');
  } catch (error) {
    if (error instanceof UnknownGraph || error instanceof UnfitModel) return unsupported(`The graph of the model is not understood: ${error.message}`);
    throw error;
  }
}

/** The last number is the time asked for, which trees do not read. */
function withUsualHorizon({ features, target, estimator }: FittedPipeline, horizon: number): FittedPipeline {
  const filled = features.map((feature, at): FittedFeature => (at === features.length - 1 && feature.type === 'number' ? { ...feature, fill: horizon } : feature));
  return { features: filled, target, estimator };
}
