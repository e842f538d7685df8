import type { Operation } from './openapi.ts';
import type { SchemaName } from './openapi-schemas.ts';

const tag = 'TensorFlow Serving';
const iris = { 'sepal length (cm)': 5.1, 'sepal width (cm)': 3.5, 'petal length (cm)': 1.4, 'petal width (cm)': 0.2 };
const json = (schema: SchemaName, example: unknown): Operation['answer'] => ({ type: 'application/json', schema, example });
const pinned = ['x-millrace-model-version'] as const;
const predicted = json('RowsAnswer', { predictions: [{ prediction: 'setosa', probabilities: [0.98, 0.02, 0] }] });
const classified = json('ClassesAnswer', { results: [[['setosa', 0.98], ['versicolor', 0.02], ['virginica', 0]]] });
const regressed = json('NumbersAnswer', { results: [12.5] });
const status = json('VersionStatus', { model_version_status: [{ version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }], name: 'iris', ready: true });
const dim = [{ size: '-1', name: '' }];
const metadata = json('SignatureMetadata', {
  model_spec: { name: 'iris', signature_name: '', version: '1' },
  metadata: {
    signature_def: {
      signature_def: {
        serving_default: {
          inputs: { 'sepal length (cm)': { dtype: 'DT_DOUBLE', tensor_shape: { dim, unknown_rank: false }, name: 'sepal length (cm)' } },
          outputs: { prediction: { dtype: 'DT_STRING', tensor_shape: { dim, unknown_rank: false }, name: 'prediction' } },
          method_name: 'tensorflow/serving/predict',
        },
      },
    },
  },
});
const predictNotes =
  '`instances` is a list of rows: objects by feature name, or lists in the order of the features. It is answered by `predictions`: ' +
  'bare numbers for a regression, an object for each row of a classification, a forecast, a survival model, a model with heads, an anomaly detection, a recommendation (`items` and `scores`), or a regression whose signature has an interval: `prediction`, `lower` and `upper`. `inputs` holds columns and is answered by `outputs`.';
const exampleNotes = '`examples` is a list of objects by feature name; what is in `context` stands for all of them.';
const labelNotes = 'A label is an alias of the model, such as champion.';
const rows = { instances: [iris] };
const flowers = { examples: [iris] };
const wear = { context: { material: 'steel' }, examples: [{ pressure: 2.5 }] };
const [byVersion, byLabel] = ['/v1/models/{model}/versions/{version}', '/v1/models/{model}/labels/{label}'] as const;

/** The routes of TensorFlow Serving's REST API. */
export const tfOperations = {
  tfPredict: { method: 'POST', path: '/v1/models/{model}:predict', id: 'tfPredict', tag, summary: 'Predict rows or columns', description: predictNotes, request: rows, takes: 'RowsRequest', headers: pinned, answer: predicted },
  tfVersionPredict: { method: 'POST', path: `${byVersion}:predict`, id: 'tfVersionPredict', tag, summary: 'Predict with one version', request: rows, takes: 'RowsRequest', answer: predicted },
  tfLabelPredict: { method: 'POST', path: `${byLabel}:predict`, id: 'tfLabelPredict', tag, summary: 'Predict with the version of an alias', description: labelNotes, request: rows, takes: 'RowsRequest', answer: predicted },
  tfClassify: { method: 'POST', path: '/v1/models/{model}:classify', id: 'tfClassify', tag, summary: 'Classes and their probabilities', description: exampleNotes, request: flowers, takes: 'ExamplesRequest', headers: pinned, answer: classified },
  tfVersionClassify: { method: 'POST', path: `${byVersion}:classify`, id: 'tfVersionClassify', tag, summary: 'The same by one version', request: flowers, takes: 'ExamplesRequest', answer: classified },
  tfLabelClassify: { method: 'POST', path: `${byLabel}:classify`, id: 'tfLabelClassify', tag, summary: 'The same by the version of an alias', request: flowers, takes: 'ExamplesRequest', answer: classified },
  tfRegress: { method: 'POST', path: '/v1/models/{model}:regress', id: 'tfRegress', tag, summary: 'A number for each row', description: `For models that predict numbers, such as one called wear. ${exampleNotes}`, request: wear, takes: 'ExamplesRequest', headers: pinned, answer: regressed },
  tfVersionRegress: { method: 'POST', path: `${byVersion}:regress`, id: 'tfVersionRegress', tag, summary: 'The same by one version', request: wear, takes: 'ExamplesRequest', answer: regressed },
  tfLabelRegress: { method: 'POST', path: `${byLabel}:regress`, id: 'tfLabelRegress', tag, summary: 'The same by the version of an alias', request: wear, takes: 'ExamplesRequest', answer: regressed },
  tfStatus: { method: 'GET', path: '/v1/models/{model}', id: 'tfModelStatus', tag, summary: 'Status of the served version', description: '`name` and `ready` are for clients of KServe.', answer: status },
  tfVersionStatus: { method: 'GET', path: byVersion, id: 'tfModelVersionStatus', tag, summary: 'Status of one version', answer: status },
  tfLabelStatus: { method: 'GET', path: byLabel, id: 'tfModelLabelStatus', tag, summary: 'Status of the version of an alias', answer: status },
  tfMetadata: { method: 'GET', path: '/v1/models/{model}/metadata', id: 'tfMetadata', tag, summary: 'Inputs and outputs as a signature', answer: metadata },
  tfVersionMetadata: { method: 'GET', path: `${byVersion}/metadata`, id: 'tfVersionMetadata', tag, summary: 'The same of one version', answer: metadata },
  tfLabelMetadata: { method: 'GET', path: `${byLabel}/metadata`, id: 'tfLabelMetadata', tag, summary: 'The same of the version of an alias', answer: metadata },
} as const satisfies Record<string, Operation>;
