/** What `bench -- resume` trains: one of each kind that learns step by step and so can be interrupted. */
export const candidates: Record<string, object> = {
  adam: { models: [{ family: 'dense', hiddenLayers: [16, 8] }], trainer: { epochs: 40, optimizer: 'adam', regularization: { l1: 1e-4, l2: 1e-3 } } },
  momentum: { models: [{ family: 'dense', hiddenLayers: [16] }], trainer: { epochs: 40, optimizer: 'momentum', learningRate: 0.01, earlyStop: null } },
  rmsprop: { models: [{ family: 'dense', hiddenLayers: [8], activation: 'tanh' }, { family: 'knn', k: 5 }], trainer: { epochs: 40, optimizer: 'rmsprop' } },
  refit: { models: [{ family: 'dense', hiddenLayers: [8] }], trainer: { epochs: 40, earlyStop: { patience: 5, refit: true } } },
  descent: { models: [{ family: 'linear', solver: 'gradient_descent', l1: 0.01 }], trainer: { epochs: 40, optimizer: 'sgd', learningRate: 0.05 } },
  boosted_trees: { models: [{ family: 'boosted_trees', numIterations: 60, earlyStoppingRounds: 10, featureFraction: 0.7, baggingFraction: 0.8, baggingFreq: 2 }] },
  random_forest: { models: [{ family: 'random_forest', numTrees: 40 }] },
};
