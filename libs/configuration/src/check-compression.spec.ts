import { checkCompression, compressionSteps } from './check-compression.ts';
import type { Compression } from './compression.ts';
import { parseTrainingSpec } from './training-spec.ts';

type Compressed = Parameters<typeof checkCompression>[0];
const check = (compress: Compression, families: string[], { kind = 'plain', hasHeads = false }: Partial<Compressed> = {}) => checkCompression({ compress, families, kind, hasHeads });
const stepsOf = (family: string, compress: Compression, { kind = 'plain', hasHeads = false }: Partial<Compressed> = {}) => compressionSteps({ family, kind, hasHeads }, compress);

it('prunes and quantises each family as it can be', () => {
  const both = (family: string, quantize: Compression['quantize']) => stepsOf(family, { targetSparsity: 0.8, quantize });
  expect(both('dense', 'int8_dynamic')).toEqual({ type: 'suits', steps: [{ method: 'prune', sparsity: 0.8 }, { method: 'quantise', to: 'int8', calibration: 'dynamic' }] });
  expect(both('knn', 'float16')).toEqual({ type: 'suits', steps: [{ method: 'condense', keep: 0.2 }, { method: 'quantise', to: 'float16' }] });
  expect(stepsOf('random_forest', { targetSparsity: 0.5 })).toEqual({ type: 'suits', steps: [{ method: 'prune_trees', keep: 0.5 }] });
  for (const [family, quantize] of [['convolutional', 'int8_dynamic'], ['knn', 'int8_dynamic'], ['linear', 'int8_static'], ['boosted_trees', 'float16']] as const) expect(both(family, quantize)).toMatchObject({ type: 'unfit', problem: { field: 'compress.quantize' } });
  expect(both('linear', 'float16')).toEqual({ type: 'suits', steps: [{ method: 'prune', sparsity: 0.8 }, { method: 'quantise', to: 'float16' }] });
  expect(both('knn', 'int8_static')).toEqual({ type: 'suits', steps: [{ method: 'condense', keep: 0.2 }, { method: 'quantise', to: 'int8' }] });
  expect(both('baseline', 'float16')).toMatchObject({ type: 'unfit', problem: { field: 'compress.targetSparsity' } });
});

it('is refused only where no model that may be chosen can be compressed that way, with the field and the remedy', () => {
  expect(check({ quantize: 'int8_static' }, ['boosted_trees', 'dense'])).toEqual([]);
  expect(check({ quantize: 'int8_static' }, [])).toEqual([]); // a search of all families
  expect(check({ quantize: 'int8_static' }, ['boosted_trees', 'linear'])).toMatchObject([{ field: 'compress.quantize', message: expect.stringContaining('boosted_trees, linear'), remedy: expect.stringContaining('network') }]);
  expect(check({ targetSparsity: 0.5 }, ['baseline'])).toMatchObject([{ field: 'compress.targetSparsity' }]);
  // Trees are pruned and not quantised, and linear models not to int8: together no family is left.
  expect(check({ targetSparsity: 0.5, quantize: 'int8_static' }, ['boosted_trees', 'linear'])).toMatchObject([{ field: 'compress.quantize' }]);
  expect(check({ maxLoss: 1 }, ['dense'])).toMatchObject([{ field: 'compress.targetSparsity', message: expect.stringContaining('neither') }]);
});

it('is of every kind what its models can take; of forecasts nothing is', () => {
  const [anomaly, recommendation, survival] = (['anomaly', 'recommendation', 'survival'] as const).map((kind) => ({ kind })) as [object, object, object];
  expect(stepsOf('isolation_forest', { targetSparsity: 0.75 }, anomaly)).toEqual({ type: 'suits', steps: [{ method: 'prune_trees', keep: 0.25 }] });
  expect(stepsOf('autoencoder', { quantize: 'int8_dynamic' }, anomaly)).toEqual({ type: 'suits', steps: [{ method: 'quantise', to: 'int8', calibration: 'dynamic' }] });
  expect(stepsOf('two_tower', { quantize: 'int8_static' }, recommendation)).toEqual({ type: 'suits', steps: [{ method: 'quantise', to: 'int8' }] });
  expect(stepsOf('accelerated_failure', { quantize: 'float16' }, survival)).toEqual({ type: 'suits', steps: [{ method: 'quantise', to: 'float16' }] });
  for (const [family, kind] of [['robust_z_score', anomaly], ['popularity', recommendation], ['kaplan_meier', survival]] as const) expect(stepsOf(family, { quantize: 'float16' }, kind)).toMatchObject({ type: 'unfit' });

  expect(check({ quantize: 'float16' }, ['isolation_forest', 'autoencoder'], anomaly)).toEqual([]);
  expect(check({ quantize: 'float16' }, ['isolation_forest'], anomaly)).toMatchObject([{ field: 'compress.quantize', remedy: expect.stringContaining('autoencoder') }]);
  expect(check({ targetSparsity: 0.5 }, ['popularity', 'matrix_factorisation'], recommendation)).toMatchObject([{ field: 'compress.targetSparsity', remedy: expect.stringContaining('quantize') }]);
  expect(check({ targetSparsity: 0.5, quantize: 'float16' }, ['accelerated_failure', 'boosted_trees'], survival)).toMatchObject([{ field: 'compress.targetSparsity', remedy: expect.stringContaining('one of the two') }]); // one takes this, one that
  expect(check({ quantize: 'float16' }, ['arima'], { kind: 'forecast' })).toMatchObject([{ field: 'compress', message: expect.stringContaining('forecast'), remedy: expect.stringContaining('Leave it out') }]);

  for (const families of [['boosted_trees'], []]) {
    expect(check({ quantize: 'float16' }, families, { hasHeads: true })).toEqual([]);
    expect(check({ quantize: 'int8_static' }, families, { hasHeads: true })).toMatchObject([{ field: 'compress.quantize', message: expect.stringContaining('with heads'), remedy: expect.stringContaining('float16') }]);
  }
});

it('is part of the one configuration, as YAML too', () => {
  const yaml = 'inputFeatures: [{name: a, type: number}]\noutputFeatures: [{name: b, type: number}]\ncompress:\n  targetSparsity: 0.8\n  quantize: int8\n';
  expect(parseTrainingSpec(yaml)).toMatchObject({ type: 'invalid', problems: [{ field: 'compress.quantize', message: expect.stringContaining('Line 5'), remedy: 'Give one of: float16, int8_static, int8_dynamic.' }] });
  expect(parseTrainingSpec(yaml.replace('int8', 'int8_static'))).toMatchObject({ type: 'valid', spec: { compress: { targetSparsity: 0.8, quantize: 'int8_static' } } });
});
