/** What `bench -- resume` trains: one of each kind that learns step by step and so can be interrupted. */
export const candidates: Record<string, object> = {
  adam: { models: [{ family: 'dense', hiddenLayers: [16, 8] }], trainer: { epochs: 40, optimizer: 'adam', regularization: { l1: 1e-4, l2: 1e-3 } } },
  momentum: { models: [{ family: 'dense', hiddenLayers: [16] }], trainer: { epochs: 40, optimizer: 'momentum', learningRate: 0.01, earlyStop: null } },
  rmsprop: { models: [{ family: 'dense', hiddenLayers: [8], activation: 'tanh' }, { family: 'knn', k: 5 }], trainer: { epochs: 40, optimizer: 'rmsprop' } },
};
