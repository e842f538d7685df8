import { parseTrainingSpec, trainingSpecJsonSchema } from './training-spec.ts';

const minimal = {
  inputFeatures: [{ name: 'x', type: 'number' }],
  outputFeatures: [{ name: 'y', type: 'category' }],
};

const problemsOf = (input: unknown) => {
  const parsed = parseTrainingSpec(input);
  return parsed.type === 'invalid' ? parsed.problems : [];
};

test('what is left out gets a default that trains', () => {
  const parsed = parseTrainingSpec(minimal);
  expect(parsed).toMatchObject({
    type: 'valid',
    spec: {
      split: { trainFraction: 0.8, validationFraction: 0.15, seed: 0 },
      models: [{ family: 'dense', hiddenLayers: [128, 64], activation: 'relu' }],
      trainer: {
        epochs: 80, optimizer: 'adam', learningRate: 0.003, regularization: { l1: 0 },
        schedule: { kind: 'cosine', warmUpEpochs: 0 }, clipNorm: 0, averaging: 0, earlyStop: null,
      },
    },
  });
});

test('a time limit or a number of trials makes a search of all families; without either, a model is needed', () => {
  for (const selection of [{ timeLimitSeconds: 60 }, { maxTrials: 5 }]) {
    expect(parseTrainingSpec({ ...minimal, selection })).toMatchObject({ type: 'valid', spec: { models: [], selection } });
    expect(parseTrainingSpec({ ...minimal, selection, models: [] })).toMatchObject({ type: 'valid', spec: { models: [] } });
  }
  expect(problemsOf({ ...minimal, models: [] })).toMatchObject([{ field: 'models' }]);
  expect(problemsOf({ ...minimal, selection: { timeLimitSeconds: 0, maxTrials: 500, costs: { missed: 1 } } }).map(({ field }) => field).sort()).toEqual([
    'selection.costs.falseAlarm', 'selection.maxTrials', 'selection.timeLimitSeconds',
  ]);
});

test('a default of one setting does not need its neighbours to be given', () => {
  const parsed = parseTrainingSpec({ ...minimal, trainer: { epochs: 3, regularization: { l2: 0.1 }, earlyStop: null } });
  expect(parsed).toMatchObject({
    spec: { trainer: { epochs: 3, learningRate: 0.003, regularization: { l1: 0, l2: 0.1 }, earlyStop: null } },
  });
});

test('an unknown setting is refused by its path', () => {
  const problems = problemsOf({ ...minimal, trainer: { epoch: 5 }, models: [{ family: 'knn', kk: 3 }], speed: 9 });
  expect(problems.map(({ field }) => field).sort()).toEqual(['models[0].kk', 'speed', 'trainer.epoch']);
});

test.each([
  ['a missing target', { inputFeatures: minimal.inputFeatures }, 'outputFeatures', /missing/],
  ['two targets', { ...minimal, outputFeatures: [...minimal.outputFeatures, { name: 'z', type: 'number' }] }, 'outputFeatures', /large/],
  ['no input feature', { ...minimal, inputFeatures: [] }, 'inputFeatures', /small/],
  ['an unknown feature type', { ...minimal, inputFeatures: [{ name: 'x', type: 'text' }] }, 'inputFeatures[0].type', /not known/],
  ['an unknown family', { ...minimal, models: [{ family: 'oracle' }] }, 'models[0].family', /not known/],
  ['a fractional k', { ...minimal, models: [{ family: 'knn', k: 2.5 }] }, 'models[0].k', /wrong type/],
  ['a learning rate of 0', { ...minimal, trainer: { learningRate: 0 } }, 'trainer.learningRate', /small/],
  ['a learning rate that is not a number', { ...minimal, trainer: { learningRate: NaN } }, 'trainer.learningRate', /wrong type/],
  ['a training share of 1', { ...minimal, split: { trainFraction: 1 } }, 'split.trainFraction', /large/],
  ['a text instead of a configuration', 'train!', '(configuration)', /wrong type/],
])('%s is refused with field and remedy', (_, input, field, message) => {
  const [problem, ...others] = problemsOf(input);
  expect(others).toEqual([]);
  expect(problem).toMatchObject({ field, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
});

test('the JSON Schema asks only for what has no default and refuses unknown keys', () => {
  expect(trainingSpecJsonSchema).toMatchObject({ required: ['inputFeatures', 'outputFeatures'], additionalProperties: false });
});

test('each family declares its hyper-parameters with defaults', () => {
  const { items } = (trainingSpecJsonSchema['properties'] as { models: { items: { oneOf: { title: string; description: string; properties: Record<string, { const?: string; default?: unknown }> }[] } } }).models;
  const families = Object.fromEntries(items.oneOf.map((family) => [family.properties['family']!.const!, family]));
  expect(Object.keys(families)).toEqual(['baseline', 'linear', 'knn', 'dense', 'boosted_trees', 'random_forest', 'convolutional']);
  for (const { title, description } of items.oneOf) expect([title, description]).toEqual([expect.any(String), expect.stringMatching(/\.$/)]);
  expect(families['knn']).toMatchObject({ properties: { k: { default: 5, minimum: 1 } } });
  expect(families['dense']).toMatchObject({ properties: { hiddenLayers: { default: [128, 64] } } });
  expect(families['boosted_trees']).toMatchObject({ properties: { numLeaves: { default: 31 }, learningRate: { default: 0.1 } } });
  expect(families['random_forest']).toMatchObject({ properties: { numTrees: { default: 100 } } });
});
