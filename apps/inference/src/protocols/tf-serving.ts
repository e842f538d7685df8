import { furtherOutputs, type Prediction, type Signature } from '@millrace/packaging';
import { invalidRequest } from '../request-error.ts';
import { anomaliesByOutput, anomaliesByRow, asObject, checkColumns, checkInstances, checkList, furtherValue, isBarePicture, itemPredictions, own, plainPredictions, type ReadRequest } from './protocol.ts';

const remedy = 'Send {"instances": [ … ]} (rows), or {"inputs": { … }} (columns).';

/**
 * TensorFlow Serving's predict request: `instances` (rows) is answered by `predictions`, `inputs` (columns, or a list of
 * rows) by `outputs`. A model with one output gives bare values, one with several gives an object for each row.
 */
export const readTfServing: ReadRequest = (signature, body) => {
  const request = asObject(body, 'body', remedy);
  const signatureName = own(request, 'signature_name');
  if (signatureName !== undefined && signatureName !== 'serving_default' && signatureName !== '') {
    throw invalidRequest('signature_name', 'There is no such signature.', 'Leave "signature_name" out, or send "serving_default".');
  }
  const instances = own(request, 'instances');
  const inputs = own(request, 'inputs');
  if ((instances === undefined) === (inputs === undefined)) {
    const message = inputs === undefined ? 'There are no "instances".' : 'There are both "instances" and "inputs".';
    throw invalidRequest('instances', message, remedy);
  }
  if (instances !== undefined) {
    return { checked: checkInstances(signature, instances), write: (outcome) => ({ predictions: byRow(signature, outcome.predictions) }) };
  }
  return { checked: checkInputs(signature, inputs), write: (outcome) => ({ outputs: byOutput(signature, outcome.predictions) }) };
};

/** Columns by feature name, or a list of rows. */
export function checkInputs(signature: Signature, inputs: unknown) {
  if (Array.isArray(inputs)) return isBarePicture(signature, inputs[0]) ? checkInstances(signature, inputs) : checkList(signature, inputs);
  const columns = new Map<string, unknown[]>();
  for (const [name, values] of Object.entries(asObject(inputs, 'inputs', remedy))) {
    if (!Array.isArray(values)) throw invalidRequest(name.slice(0, 80), `"${name.slice(0, 80)}" is not a list.`, 'Send a list of values for each feature.');
    // A column may come as [N, 1], which is how a tensor of one feature looks.
    const isList = signature.inputs.some((input) => input.name === name && input.type === 'list');
    const isMatrix = !isList && values.length > 0 && values.every((value) => Array.isArray(value) && value.length === 1);
    columns.set(name, isMatrix ? values.map((value: unknown[]) => value[0]) : values);
  }
  return checkColumns(signature, columns);
}

function byRow(signature: Signature, predictions: Prediction[]): unknown[] {
  if (signature.anomaly) return anomaliesByRow(signature, predictions);
  if (signature.output.type === 'items') return itemPredictions(predictions);
  const further = furtherOutputs(signature);
  if (further.length === 0 && signature.output.type === 'number') return plainPredictions(predictions);
  return predictions.map((prediction) => ({
    ...('label' in prediction ? { prediction: prediction.label, probabilities: prediction.probabilities } : 'value' in prediction ? { prediction: prediction.value } : {}),
    ...Object.fromEntries(further.map((name) => [name, furtherValue(prediction, name)])),
  }));
}

function byOutput(signature: Signature, predictions: Prediction[]): unknown {
  if (signature.anomaly) return anomaliesByOutput(predictions);
  if (signature.output.type === 'items') {
    const lists = itemPredictions(predictions);
    return { items: lists.map(({ items }) => items), scores: lists.map(({ scores }) => scores) };
  }
  const further = furtherOutputs(signature);
  if (further.length === 0 && signature.output.type === 'number') return plainPredictions(predictions);
  return {
    prediction: plainPredictions(predictions),
    ...(signature.output.type === 'number' ? {} : { probabilities: predictions.map((prediction) => 'label' in prediction && prediction.probabilities) }),
    ...Object.fromEntries(further.map((name) => [name, predictions.map((prediction) => furtherValue(prediction, name))])),
  };
}
