import { buildDetectorPackage, buildForecastPackage, buildPackage, buildRecommenderPackage, buildSurvivalPackage, type Prediction, type Signature } from '@millrace/packaging';
import fc from 'fast-check';
import { irisFeatures, irisNeighbours, mixedRegression, setosa, virginica } from '../../test/sample-pipelines.ts';
import { RequestError } from '../request-error.ts';
import { readMlflow } from './mlflow.ts';
import { readOpenInference } from './open-inference.ts';
import type { ReadRequest } from './protocol.ts';
import { readSimplePredict } from './simple-predict.ts';
import { readTfServing } from './tf-serving.ts';

const signatureOf = (pipeline: Parameters<typeof buildPackage>[0]): Signature => buildPackage(pipeline, { metrics: {}, lineage: {} }).signature;
const iris = signatureOf(irisNeighbours());
const wear = signatureOf(mixedRegression());
const protocols: [string, ReadRequest][] = [
  ['/predict', readSimplePredict],
  ['Open Inference Protocol', readOpenInference],
  ['TensorFlow Serving', readTfServing],
  ['MLflow', readMlflow],
];

const named = (row: number[]) => Object.fromEntries(irisFeatures.map((name, index) => [name, row[index]]));
const tensors = (rows: number[][], datatype = 'FP64') =>
  irisFeatures.map((name, index) => ({ name, shape: [rows.length], datatype, data: rows.map((row) => row[index]) }));
const columns = (rows: number[][]) => Object.fromEntries(irisFeatures.map((name, index) => [name, rows.map((row) => row[index])]));
const two = [setosa, virginica];

/** The rows as they were understood, or the problems as `code row field`. */
function read(reader: ReadRequest, signature: Signature, body: unknown): unknown {
  try {
    const { checked } = reader(signature, body);
    if (checked.type === 'invalid') return checked.problems.map(({ code, row, field }) => `${code} ${row} ${field}`);
    const width = checked.rows.numbers.length / checked.rows.count;
    return Array.from({ length: checked.rows.count }, (_, row) => [...checked.rows.numbers.slice(row * width, (row + 1) * width)]);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const problems = error.details.problems ?? [{ code: error.code, row: null, field: error.details.field }];
    return problems.map(({ code, row, field }) => `${code} ${row} ${field}`);
  }
}

describe('every way to write rows means the same rows', () => {
  it.each<[string, ReadRequest, unknown]>([
    ['vectors', readSimplePredict, { features: two }],
    ['objects', readSimplePredict, { features: two.map(named) }],
    ['objects in another order', readSimplePredict, { features: two.map((row) => Object.fromEntries(Object.entries(named(row)).reverse())) }],
    ['tensors', readOpenInference, { inputs: tensors(two) }],
    ['tensors of shape [N, 1]', readOpenInference, { inputs: tensors(two).map((tensor) => ({ ...tensor, shape: [2, 1] })) }],
    ['nested tensors', readOpenInference, { inputs: tensors(two).map((tensor) => ({ ...tensor, shape: [2, 1], data: tensor.data.map((value) => [value]) })) }],
    ['one tensor, flat', readOpenInference, { inputs: [{ name: 'input-0', shape: [2, 4], datatype: 'FP32', data: two.flat() }] }],
    ['one tensor, nested', readOpenInference, { inputs: [{ name: 'x', shape: [2, 4], datatype: 'FP64', data: two }] }],
    ['instances as lists', readTfServing, { instances: two }],
    ['instances as objects', readTfServing, { signature_name: 'serving_default', instances: two.map(named) }],
    ['columns', readTfServing, { inputs: columns(two) }],
    ['a matrix', readTfServing, { inputs: two }],
    ['a split data frame', readMlflow, { dataframe_split: { columns: [...irisFeatures].reverse(), index: [0, 1], data: two.map((row) => [...row].reverse()) } }],
    ['a split data frame without names', readMlflow, { dataframe_split: { data: two } }],
    ['records', readMlflow, { dataframe_records: two.map(named) }],
    ['MLflow instances', readMlflow, { instances: two }],
    ['MLflow inputs', readMlflow, { inputs: columns(two) }],
  ])('%s', (_name, reader, body) => {
    expect(read(reader, iris, body)).toEqual(two);
  });

  it('one row needs no list around it', () => {
    expect(read(readSimplePredict, iris, { features: setosa })).toEqual([setosa]);
    expect(read(readSimplePredict, iris, { features: named(setosa) })).toEqual([setosa]);
  });

  it('a missing value that the model allows may be null or left out', () => {
    for (const [reader, body] of [
      [readSimplePredict, { features: { material: 'steel' } }],
      [readSimplePredict, { features: [null, 'steel'] }],
      [readOpenInference, { inputs: [{ name: 'material', shape: [1], datatype: 'BYTES', data: ['steel'] }] }],
      [readMlflow, { dataframe_split: { columns: ['material'], data: [['steel']] } }],
    ] as const) {
      expect(read(reader, wear, body)).toEqual([[NaN]]);
    }
  });

  it('a model with one feature takes bare values as instances', () => {
    const one = { ...iris, inputs: iris.inputs.slice(0, 1) };
    expect(read(readTfServing, one, { instances: [5, 6] })).toEqual([[5], [6]]);
  });
});

describe('rows that do not fit', () => {
  const bad: [string, unknown, string][] = [
    ['null', null, 'null_value'],
    ['text', 'abc', 'not_a_number'],
    ['a number in quotes', '5.1', 'not_a_number'],
    ['true', true, 'not_a_number'],
    ['NaN', NaN, 'not_finite'],
    ['Infinity', -Infinity, 'not_finite'],
    ['"NaN"', 'NaN', 'not_finite'],
    ['a list', [1], 'not_a_number'],
    ['an object', {}, 'not_a_number'],
    ['an absurd number', 1e300, 'too_large'],
  ];
  const withBad = (value: unknown) => [setosa, [6.3, value, 6, 2.5]] as number[][];

  it.each(bad)('%s is refused by every protocol with its row and feature', (_name, value, code) => {
    const rows = withBad(value);
    const expected = [`${code} 1 sepal width`];
    expect(read(readSimplePredict, iris, { features: rows })).toEqual(expected);
    expect(read(readSimplePredict, iris, { features: rows.map(named) })).toEqual(expected);
    expect(read(readOpenInference, iris, { inputs: tensors(rows) })).toEqual(expected);
    expect(read(readOpenInference, iris, { inputs: [{ name: 'x', shape: [2, 4], datatype: 'FP64', data: rows }] })).toEqual(expected);
    expect(read(readTfServing, iris, { instances: rows.map(named) })).toEqual(expected);
    expect(read(readMlflow, iris, { dataframe_split: { columns: irisFeatures, data: rows } })).toEqual(expected);
    expect(read(readMlflow, iris, { dataframe_records: rows.map(named) })).toEqual(expected);
  });

  const { 'petal width': _left, ...incomplete } = named(setosa);
  it.each<[string, ReadRequest, unknown, string]>([
    ['a missing feature', readSimplePredict, { features: incomplete }, 'missing_feature 0 petal width'],
    ['a missing tensor', readOpenInference, { inputs: tensors(two).slice(0, 3) }, 'missing_feature null petal width'],
    ['a missing column', readMlflow, { dataframe_split: { columns: irisFeatures.slice(0, 3), data: [[1, 2, 3]] } }, 'missing_feature null petal width'],
    ['an extra feature', readSimplePredict, { features: { ...named(setosa), colour: 1 } }, 'unknown_feature 0 colour'],
    ['an extra tensor', readOpenInference, { inputs: [...tensors(two), { name: 'colour', shape: [2], datatype: 'FP64', data: [1, 2] }] }, 'unknown_feature null colour'],
    ['a short row', readSimplePredict, { features: [setosa, [1, 2, 3]] }, 'wrong_length 1 rows[1]'],
    ['a long row', readTfServing, { instances: [[1, 2, 3, 4, 5]] }, 'wrong_length 0 rows[0]'],
    ['no rows', readTfServing, { instances: [] }, 'no_rows null rows'],
    ['too many rows', readTfServing, { instances: Array.from({ length: 10_001 }, () => setosa) }, 'too_many_rows null rows'],
    ['too many rows in columns', readTfServing, { inputs: columns(Array.from({ length: 10_001 }, () => setosa)) }, 'too_many_rows null rows'],
    ['text in a number tensor', readOpenInference, { inputs: tensors(two, 'BYTES') }, 'wrong_datatype null sepal length'],
    ['fractions declared as whole numbers', readOpenInference, { inputs: tensors(two, 'INT64') }, 'wrong_datatype 0 sepal length'],
    ['a number in a byte that does not fit', readOpenInference, { inputs: [{ name: 'x', shape: [1, 4], datatype: 'UINT8', data: [1, 2, 3, 256] }] }, 'wrong_datatype 0 petal width'],
    ['columns of different lengths', readTfServing, { inputs: { ...columns(two), 'petal width': [1] } }, 'wrong_length null sepal length'],
    ['data that do not fill the shape', readOpenInference, { inputs: [{ name: 'x', shape: [2, 4], datatype: 'FP64', data: [1, 2] }] }, 'invalid_request null inputs[0].data'],
    ['a tensor sent twice', readOpenInference, { inputs: [...tensors(two), tensors(two)[0]] }, 'duplicate_feature null sepal length'],
    ['a matrix of another width', readOpenInference, { inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP64', data: [1, 2, 3, 4, 5, 6] }] }, 'wrong_length null x'],
    ['an unknown datatype', readOpenInference, { inputs: [{ name: 'x', shape: [1, 4], datatype: 'COMPLEX', data: setosa }] }, 'invalid_request null inputs[0].datatype'],
    ['a negative shape', readOpenInference, { inputs: [{ name: 'x', shape: [-1, 4], datatype: 'FP64', data: setosa }] }, 'invalid_request null inputs[0].shape'],
    ['an unknown output', readOpenInference, { inputs: tensors(two), outputs: [{ name: 'votes' }] }, 'invalid_request null outputs'],
    ['an id that is no text', readOpenInference, { id: 7, inputs: tensors(two) }, 'invalid_request null id'],
    ['no features', readSimplePredict, {}, 'invalid_request null features'],
    ['a misspelt field', readSimplePredict, { features: setosa, modle: 'iris' }, 'invalid_request null modle'],
    ['two forms at once', readMlflow, { instances: two, inputs: two }, 'invalid_request null body'],
    ['a column named twice', readMlflow, { dataframe_split: { columns: ['a', 'a'], data: [[1, 2]] } }, 'invalid_request null columns'],
    ['an unknown signature', readTfServing, { signature_name: 'other', instances: two }, 'invalid_request null signature_name'],
    ['a list as body', readSimplePredict, [1], 'invalid_request null body'],
  ])('%s is named', (_name, reader, body, expected) => {
    expect(read(reader, iris, body)).toContain(expected);
  });

  it('text is not taken from numbers, and numbers not from text', () => {
    expect(read(readSimplePredict, wear, { features: [1, 7] })).toEqual(['not_text 0 material']);
    expect(read(readOpenInference, wear, { inputs: [{ name: 'material', shape: [1], datatype: 'BOOL', data: [true] }] })).toContain('wrong_datatype null material');
  });

  it.each(protocols)('%s: whatever JSON comes is read or refused by name, and no process dies of it', (_name, reader) => {
    const wrapped = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.record(
        {
          features: fc.jsonValue({ maxDepth: 3 }), instances: fc.jsonValue({ maxDepth: 3 }), inputs: fc.jsonValue({ maxDepth: 3 }),
          dataframe_split: fc.jsonValue({ maxDepth: 3 }), dataframe_records: fc.jsonValue({ maxDepth: 3 }), outputs: fc.jsonValue({ maxDepth: 2 }),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(wrapped, fc.constantFrom(iris, wear), (body, signature) => {
        expect(Array.isArray(read(reader, signature, body))).toBe(true);
      }),
      { seed: 20261126, numRuns: 1000 },
    );
  });
});

describe('a number with an interval', () => {
  const { features, target, estimator } = mixedRegression();
  const signature = signatureOf({ features, target: { ...target, interval: { coverage: 0.9, halfWidth: 2 } } as typeof target, estimator });
  const predictions: Prediction[] = [{ value: 3, interval: { lower: 1, upper: 5 } }];
  const served = { endpoint: { name: 'wear' }, version: { number: 1 } } as never;
  const row = { pressure: 1, material: 'steel' };
  const tensor = (name: string, data: unknown[], datatype = 'FP64') => ({ name, datatype, shape: [1], data });
  const infer = { inputs: [tensor('pressure', [1]), tensor('material', ['steel'], 'BYTES')] };

  it.each<[string, ReadRequest, unknown, unknown]>([
    ['/predict', readSimplePredict, { features: row }, { prediction: [3] }],
    ['TensorFlow Serving by row', readTfServing, { instances: [row] }, { predictions: [{ prediction: 3, lower: 1, upper: 5 }] }],
    ['TensorFlow Serving by column', readTfServing, { inputs: { pressure: [1], material: ['steel'] } }, { outputs: { prediction: [3], lower: [1], upper: [5] } }],
    ['MLflow', readMlflow, { dataframe_records: [row] }, { predictions: [3] }],
    ['Open Inference Protocol', readOpenInference, infer, { model_name: 'wear', model_version: '1', id: 'p', outputs: [tensor('prediction', [3]), tensor('lower', [1]), tensor('upper', [5])] }],
    ['one output of it', readOpenInference, { ...infer, outputs: [{ name: 'lower' }] }, { model_name: 'wear', model_version: '1', id: 'p', outputs: [tensor('lower', [1])] }],
  ])('answers %s as a forecast does', (_name, reader, body, expected) => {
    expect(reader(signature, body).write({ predictionId: 'p', served, signature, predictions })).toEqual(expected);
  });
});

describe('a forecast', () => {
  const { signature } = buildForecastPackage(
    {
      family: 'naive', target: 'visits', series: { column: 'site', names: ['north', 'south'] }, horizon: 2, lastObservation: '2026-03-31T00:00:00.000Z', frequency: 'P1D', intervalCoverage: 0.9, scale: 1,
      covariates: [], floor: Float64Array.of(0, 0), below: new Float64Array(4).fill(1), above: new Float64Array(4).fill(1),
      parts: [{ base: Float64Array.of(1, 2, 3, 4), unit: new Float64Array(4).fill(1), logarithmic: new Int32Array(2), head: null }],
    },
    { metrics: {}, lineage: {} },
  );
  const rows = [{ step: 1, site: 'south' }, { step: 2, site: 'south' }];
  const predictions: Prediction[] = [{ value: 3, interval: { lower: 2, upper: 4 } }, { value: 4, interval: { lower: 3, upper: 5 } }];
  const served = { endpoint: { name: 'visits' }, version: { number: 1 } } as never;
  const tensor = (name: string, datatype: string, data: unknown[]) => ({ name, datatype, shape: [2], data });
  const infer = { inputs: [tensor('step', 'INT64', [1, 2]), tensor('site', 'BYTES', ['south', 'south'])] };
  const answer = (reader: ReadRequest, body: unknown) => {
    const { checked, write } = reader(signature, body);
    return checked.type === 'valid' ? write({ predictionId: 'p', served, signature, predictions }) : checked.problems.map(({ code, row, field }) => `${code} ${row} ${field}`);
  };

  it.each<[string, ReadRequest, unknown, unknown]>([
    ['/predict', readSimplePredict, { features: rows }, { prediction: [3, 4] }],
    ['TensorFlow Serving by row', readTfServing, { instances: rows }, { predictions: [{ prediction: 3, lower: 2, upper: 4 }, { prediction: 4, lower: 3, upper: 5 }] }],
    ['TensorFlow Serving by column', readTfServing, { inputs: { step: [1, 2], site: ['south', 'south'] } }, { outputs: { prediction: [3, 4], lower: [2, 3], upper: [4, 5] } }],
    ['MLflow', readMlflow, { dataframe_records: rows }, { predictions: [3, 4] }],
    ['Open Inference Protocol', readOpenInference, infer, { model_name: 'visits', model_version: '1', id: 'p', outputs: [tensor('prediction', 'FP64', [3, 4]), tensor('lower', 'FP64', [2, 3]), tensor('upper', 'FP64', [4, 5])] }],
    ['one output of it', readOpenInference, { ...infer, outputs: [{ name: 'upper' }] }, { model_name: 'visits', model_version: '1', id: 'p', outputs: [tensor('upper', 'FP64', [4, 5])] }],
  ])('answers %s, with its interval where there is room for it', (_name, reader, body, expected) => {
    expect(answer(reader, body)).toEqual(expected);
  });

  it.each([
    ['a step beyond the horizon', { step: 3, site: 'south' }, 'value_not_offered 0 step'],
    ['an unknown series', { step: 1, site: 'west' }, 'value_not_offered 0 site'],
  ])('%s is named', (_name, row, problem) => {
    expect(answer(readSimplePredict, { features: row })).toEqual([problem]);
  });
});

describe('a recommendation', () => {
  const { signature } = buildRecommenderPackage(
    {
      family: 'popularity', user: 'machine', item: 'part', users: ['m1'], items: ['belt', 'pump'], topN: 2, excludesSeen: true, seen: { starts: Int32Array.of(0, 1), items: Int32Array.of(0) },
      popularity: Float32Array.of(1, 0.5), rule: { type: 'popularity' },
    },
    { metrics: {}, lineage: {} },
  );
  const rows = [{ machine: 'm1', exclude: ['belt', 'pump'] }, { machine: 'm2' }];
  const predictions: Prediction[] = [{ items: ['pump'], scores: [0.5] }, { items: ['belt', 'pump'], scores: [1, 0.5] }];
  const served = { endpoint: { name: 'parts' }, version: { number: 1 } } as never;
  const tensor = (name: string, datatype: string, shape: number[], data: unknown[]) => ({ name, datatype, shape, data });
  const lists = [['belt', 'pump'], []];
  const scores = tensor('scores', 'FP32', [2, 2], [0.5, -3.4028234663852886e38, 1, 0.5]);
  const infer = { inputs: [tensor('machine', 'BYTES', [2], ['m1', 'm2']), tensor('exclude', 'BYTES', [2, 2], ['belt', 'pump', '', ''])] };

  it.each<[string, ReadRequest, unknown, unknown]>([
    ['/predict', readSimplePredict, { features: rows }, { prediction: [['pump'], ['belt', 'pump']] }],
    ['/predict by position', readSimplePredict, { features: [['m1', lists[0]], ['m2', null]] }, { prediction: [['pump'], ['belt', 'pump']] }],
    ['TensorFlow Serving by row', readTfServing, { instances: rows }, { predictions }],
    ['TensorFlow Serving by column', readTfServing, { inputs: { machine: ['m1', 'm2'], exclude: lists } }, { outputs: { items: [['pump'], ['belt', 'pump']], scores: [[0.5], [1, 0.5]] } }],
    ['MLflow', readMlflow, { dataframe_split: { columns: ['exclude', 'machine'], data: [[lists[0], 'm1'], [[], 'm2']] } }, { predictions }],
    ['Open Inference Protocol', readOpenInference, infer, { model_name: 'parts', model_version: '1', id: 'p', outputs: [tensor('items', 'BYTES', [2, 2], ['pump', '', 'belt', 'pump']), scores] }],
    ['one output of it', readOpenInference, { ...infer, outputs: [{ name: 'scores' }] }, { model_name: 'parts', model_version: '1', id: 'p', outputs: [scores] }],
  ])('is asked and answered by %s', (_name, reader, body, expected) => {
    const { checked, write } = reader(signature, body);
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    expect([checked.rows.categories[0], checked.rows.lists]).toEqual(['m1', lists]);
    expect(write({ predictionId: 'p', served, signature, predictions })).toEqual(expected);
  });

  it.each<[string, ReadRequest, unknown, string]>([
    ['lists of nothing for more rows than there may be', readOpenInference, { inputs: [tensor('machine', 'BYTES', [1], ['m1']), tensor('exclude', 'BYTES', [2 ** 40, 0], [])] }, 'too_many_rows null rows'],
    ['numbers to leave out', readOpenInference, { inputs: [infer.inputs[0], tensor('exclude', 'INT64', [2, 1], [1, 2])] }, 'wrong_datatype null exclude'],
    ['text in place of a list', readTfServing, { inputs: { machine: ['m1'], exclude: ['belt'] } }, 'not_a_list 0 exclude'],
  ])('%s are named', (_name, reader, body, problem) => {
    expect(read(reader, signature, body)).toEqual([problem]);
  });
});

describe('a survival model', () => {
  const features = [
    { name: 'load', type: 'number' as const, min: 0, max: 1, mean: 0, scale: 1, fill: 0, missingAllowed: false },
    { name: 'horizon', type: 'number' as const, min: 0, max: 9, mean: 0, scale: 1, fill: 5, missingAllowed: true },
  ];
  const { signature } = buildSurvivalPackage(
    { family: 'kaplan_meier', target: 'hours', features, horizon: 5, intervalCoverage: 0.8, spread: 1, answer: { type: 'curve', curve: { times: Float64Array.of(2, 4), survival: Float64Array.of(0.7, 0.4), end: 9 } } },
    { metrics: {}, lineage: {} },
  );
  const predictions: Prediction[] = [{ value: 4, interval: { lower: 2, upper: 9 }, survival: 0.4 }, { value: 4, interval: { lower: 2, upper: 9 }, survival: 1 }];
  const served = { endpoint: { name: 'life' }, version: { number: 1 } } as never;
  const tensor = (name: string, data: unknown[]) => ({ name, datatype: 'FP64', shape: [2], data });
  const infer = { inputs: [tensor('load', [0, 1])], outputs: [{ name: 'prediction' }, { name: 'survival' }] };

  it.each<[string, ReadRequest, unknown, unknown]>([
    ['/predict', readSimplePredict, { features: [{ load: 0 }, { load: 1, horizon: 1 }] }, { prediction: [4, 4] }],
    ['/predict by position', readSimplePredict, { features: [[0, null], [1, 1]] }, { prediction: [4, 4] }],
    ['TensorFlow Serving by row', readTfServing, { instances: [{ load: 0 }, { load: 1, horizon: 1 }] }, { predictions: [{ prediction: 4, lower: 2, upper: 9, survival: 0.4 }, { prediction: 4, lower: 2, upper: 9, survival: 1 }] }],
    ['TensorFlow Serving by column', readTfServing, { inputs: { load: [0, 1], horizon: [null, 1] } }, { outputs: { prediction: [4, 4], lower: [2, 2], upper: [9, 9], survival: [0.4, 1] } }],
    ['MLflow', readMlflow, { dataframe_records: [{ load: 0 }, { load: 1 }] }, { predictions: [4, 4] }],
    ['Open Inference Protocol', readOpenInference, infer, { model_name: 'life', model_version: '1', id: 'p', outputs: [tensor('prediction', [4, 4]), tensor('survival', [0.4, 1])] }],
  ])('answers %s, with the chance to live so long where there is room for it', (_name, reader, body, expected) => {
    const { checked, write } = reader(signature, body);
    expect(checked.type === 'valid' ? write({ predictionId: 'p', served, signature, predictions }) : checked.problems).toEqual(expected);
  });
});

describe('a model with heads', () => {
  const features = [
    { name: 'force', type: 'number' as const, min: 0, max: 1, mean: 0, scale: 1, fill: 0, missingAllowed: false },
    { name: 'press', type: 'category' as const, categories: [], missingAllowed: true },
  ];
  const heads = { column: 'press', groups: ['p1', 'p2'], kept: Uint8Array.of(1, 0), inputs: [], slopes: new Float64Array(2), weights: Float64Array.of(1, 0) };
  const signature = signatureOf({ features, target: { name: 'drift', type: 'number', mean: 0, scale: 1 }, estimator: { family: 'baseline', answer: Float64Array.of(2) }, heads });
  const predictions: Prediction[] = [{ value: 3, personalised: true }, { value: 2, personalised: false }];
  const served = { endpoint: { name: 'drift' }, version: { number: 1 } } as never;
  const tensor = (name: string, data: unknown[]) => ({ name, datatype: 'FP64', shape: [2], data });

  it.each<[string, ReadRequest, unknown, unknown]>([
    ['/predict', readSimplePredict, { features: [{ force: 0, press: 'p1' }, { force: 1, press: 'p7' }] }, { prediction: [3, 2] }],
    ['TensorFlow Serving', readTfServing, { instances: [{ force: 0, press: 'p1' }, { force: 1 }] }, { predictions: [{ prediction: 3, personalised: 1 }, { prediction: 2, personalised: 0 }] }],
    ['Open Inference Protocol', readOpenInference, { inputs: [tensor('force', [0, 1])] }, { model_name: 'drift', model_version: '1', id: 'p', outputs: [tensor('prediction', [3, 2]), tensor('personalised', [1, 0])] }],
  ])('answers %s, and says where there is room for it whether a head was used', (_name, reader, body, expected) => {
    const { checked, write } = reader(signature, body);
    expect(checked.type === 'valid' ? write({ predictionId: 'p', served, signature, predictions }) : checked.problems).toEqual(expected);
  });
});

describe('an anomaly detection', () => {
  const number = (name: string) => ({ name, type: 'number' as const, min: 0, max: 9, mean: 5, scale: 2, fill: 5, missingAllowed: false });
  const { signature } = buildDetectorPackage(
    {
      features: [number('speed'), number('torque')], threshold: 3, falseAlarmRate: 0.01,
      scorer: { family: 'robust_z_score', combine: 'largest', columns: [{ type: 'number', centre: 5, scale: 1 }, { type: 'number', centre: 5, scale: 1 }] },
    },
    { metrics: {}, lineage: {} },
  );
  const plain = { ...signature, anomaly: { ...signature.anomaly!, hasContributions: false } };
  const rows = [{ speed: 5, torque: 9 }, { speed: 4, torque: 5 }];
  const predictions: Prediction[] = [{ value: 4, anomaly: { isAnomaly: true, contributions: [0, 4] } }, { value: 1, anomaly: { isAnomaly: false, contributions: [1, 0] } }];
  const served = { endpoint: { name: 'press' }, version: { number: 1 } } as never;
  const tensor = (name: string, datatype: string, data: unknown[], shape = [2]) => ({ name, datatype, shape, data });
  const infer = { inputs: [tensor('speed', 'FP64', [5, 4]), tensor('torque', 'FP64', [9, 5])] };
  const answer = (reader: ReadRequest, body: unknown, of = signature, said = predictions) => {
    const { checked, write } = reader(of, body);
    return checked.type === 'valid' ? write({ predictionId: 'p', served, signature: of, predictions: said }) : checked.problems;
  };
  const byRow = [{ score: 4, isAnomaly: true, contributions: { speed: 0, torque: 4 } }, { score: 1, isAnomaly: false, contributions: { speed: 1, torque: 0 } }];
  const ends = { model_name: 'press', model_version: '1', id: 'p' };

  it.each<[string, ReadRequest, unknown, unknown]>([
    ['/predict', readSimplePredict, { features: rows }, { prediction: [true, false] }],
    ['TensorFlow Serving by row', readTfServing, { instances: rows }, { predictions: byRow }],
    ['TensorFlow Serving by column', readTfServing, { inputs: { speed: [5, 4], torque: [9, 5] } }, { outputs: { score: [4, 1], isAnomaly: [true, false], contributions: [[0, 4], [1, 0]] } }],
    ['MLflow', readMlflow, { dataframe_records: rows }, { predictions: byRow }],
    ['Open Inference Protocol', readOpenInference, infer, { ...ends, outputs: [tensor('score', 'FP64', [4, 1]), tensor('isAnomaly', 'BOOL', [true, false]), tensor('contributions', 'FP64', [0, 4, 1, 0], [2, 2])] }],
    ['one output of it', readOpenInference, { ...infer, outputs: [{ name: 'isAnomaly' }] }, { ...ends, outputs: [tensor('isAnomaly', 'BOOL', [true, false])] }],
  ])('answers %s with score, report and what each feature adds where there is room for it', (_name, reader, body, expected) => {
    expect(answer(reader, body)).toEqual(expected);
  });

  it('leaves contributions out where the family has none', () => {
    const said = predictions.map((prediction) => ({ value: (prediction as { value: number }).value, anomaly: { isAnomaly: false } }));
    expect(answer(readTfServing, { instances: rows }, plain, said)).toEqual({ predictions: [{ score: 4, isAnomaly: false }, { score: 1, isAnomaly: false }] });
    expect((answer(readOpenInference, infer, plain, said) as { outputs: unknown[] }).outputs).toHaveLength(2);
    expect(() => answer(readOpenInference, { ...infer, outputs: [{ name: 'contributions' }] }, plain, said)).toThrow(/no output/);
  });
});
