import type { AutoencoderScorer, FittedDetector, FittedScorer } from './fitted-detector.ts';
import type { FittedFeature } from './fitted-columns.ts';
import { GraphCursor, UnknownGraph } from './graph-cursor.ts';
import { type PackageFiles, signatureBytes } from './model-package.ts';
import { readDense, readEncoding } from './read-estimator.ts';
import { readGraph, UnfitModel } from './read-graph.ts';
import { featuresOf, jsonOf, numberNames } from './read-pipeline.ts';
import { readTreeScores } from './read-trees.ts';
import { parseSignature } from './signature.ts';
import { detectorSignature, expectedLength, writeDetector } from './write-detector.ts';

export type ReadDetector = { type: 'read'; detector: FittedDetector } | { type: 'unreadable'; reason: 'unsupported'; message: string };

const unsupported = (message: string): ReadDetector => ({ type: 'unreadable', reason: 'unsupported', message });

/** The isolation forest or autoencoder that a package was written from, the same to the last byte once it is written again, or refused. */
export function readDetector(files: PackageFiles): ReadDetector {
  const model = files.get('model.onnx');
  const parsed = parseSignature(jsonOf(files.get('signature.json')));
  if (!model || 'complaint' in parsed) return unsupported('The package has no graph, or no signature.');
  const { signature } = parsed;
  const { anomaly } = signature;
  if (!anomaly) return unsupported('The model detects no anomalies.');
  try {
    const cursor = new GraphCursor(readGraph(model));
    const { features, scorer } = readScorer(cursor, featuresOf(signature, numberNames(model)), signature.family);
    const detector: FittedDetector = { features, scorer, threshold: anomaly.threshold, falseAlarmRate: anomaly.falseAlarmRate };
    const fresh = detectorSignature(detector);
    // How many rows a call takes may have been measured since.
    const again = { ...fresh, graph: { ...fresh.graph, rowsPerCall: signature.graph.rowsPerCall } };
    const isSame = Buffer.from(writeDetector(detector, again)).equals(model) && Buffer.from(signatureBytes(again)).equals(files.get('signature.json')!);
    return isSame ? { type: 'read', detector } : unsupported('The model was written in another way than this version of Millrace does.');
  } catch (error) {
    if (error instanceof UnknownGraph || error instanceof UnfitModel) return unsupported(`The graph of the model is not understood: ${error.message}`);
    throw error;
  }
}

function readScorer(cursor: GraphCursor, features: FittedFeature[], family: string): { features: FittedFeature[]; scorer: FittedScorer } {
  if (family === 'isolation_forest') return { features, scorer: readForest(cursor, features) };
  if (family !== 'autoencoder') throw new UnknownGraph(`A detector of the family ${family} is not read back.`);
  const { encoded, cells } = readEncoding(cursor, features);
  if (cells) throw new UnknownGraph('Some cells of a row are not read.');
  return { features: encoded, scorer: readAutoencoder(cursor, encoded) };
}

function readForest(cursor: GraphCursor, features: FittedFeature[]): FittedScorer {
  const { trees, codes } = readTreeScores(cursor, features);
  cursor.skip('Cast', 'Neg');
  const product = cursor.number(cursor.take('Div').inputs[1]);
  // Of so many rows a search takes longer the more there are.
  let [low, high] = [2, 2 ** 31];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (trees.length * expectedLength(middle) < product) low = middle + 1;
    else high = middle;
  }
  return { family: 'isolation_forest', sampleSize: low, trees, codes };
}

function readAutoencoder(cursor: GraphCursor, features: FittedFeature[]): AutoencoderScorer {
  const { layers } = readDense(cursor);
  cursor.skip('Cast', 'Cast');
  const otherErrors = features.map((feature) => {
    if (feature.type === 'number') return 0;
    cursor.skip('Gather', 'Softmax', 'Gather', 'Mul', 'ReduceSum', 'Max', 'Log', 'Neg', 'ReduceSum', 'Greater');
    return cursor.number(cursor.take('Where').inputs[2]);
  });
  const numbers = features.filter(({ type }) => type === 'number').length;
  if (numbers > 0) cursor.skip('Gather', 'Gather', 'Sub', 'IsNaN', 'Mul', 'Where');
  if (features.length - numbers + Number(numbers > 0) > 1) cursor.skip('Concat');
  cursor.takeIf('Gather');
  const usual = cursor.numbers(cursor.take('Div').inputs[1]);
  return { family: 'autoencoder', layers, columns: otherErrors.map((otherError, place) => ({ otherError, usual: partOf(usual[place]!, features.length) })) };
}

/** The number of which so many are this. */
function partOf(product: number, count: number): number {
  const near = product / count;
  const unit = 2 ** (Math.floor(Math.log2(near)) - 52);
  const found = [0, 1, -1, 2, -2].map((steps) => near + steps * unit).find((value) => value * count === product);
  if (found === undefined) throw new UnknownGraph('The usual errors do not fit their number.');
  return found;
}
