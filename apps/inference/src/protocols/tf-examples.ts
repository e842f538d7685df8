import type { Prediction, Signature } from '@millrace/packaging';
import { invalidRequest } from '../request-error.ts';
import { asObject, checkNamed, type JsonObject, own, type ReadRequest } from './protocol.ts';

const remedy = 'Send {"examples": [{"name": value, …}, …]}, one object for each row.';

/** TensorFlow Serving's classify request: for each example its classes, each with its probability. */
export const readTfClassify: ReadRequest = (signature, body) => {
  const { output } = signature;
  if (signature.anomaly || output.type === 'items' || output.type === 'number') throw doesNot('classify', signature);
  const scores = (prediction: Prediction) => ('label' in prediction ? output.classes.map((label, index) => [label, prediction.probabilities[index]]) : []);
  return { checked: checkNamed(signature, readExamples(body, 'classify')), write: ({ predictions }) => ({ results: predictions.map(scores) }) };
};

/** TensorFlow Serving's regress request: a number for each example; of an anomaly detection its score. */
export const readTfRegress: ReadRequest = (signature, body) => {
  if (!signature.anomaly && signature.output.type !== 'number') throw doesNot('regress', signature);
  return { checked: checkNamed(signature, readExamples(body, 'regress')), write: ({ predictions }) => ({ results: predictions.flatMap((prediction) => ('value' in prediction ? [prediction.value] : [])) }) };
};

function doesNot(what: string, { output }: Signature) {
  return invalidRequest('signature_name', `The model does not ${what}: its output "${output.name}" is ${output.type === 'number' ? 'a number' : output.type === 'items' ? 'a list' : 'text'}.`, 'Call it by :predict, or see GET /v1/models/<name>/metadata.');
}

/** Rows by feature name: what is in `context` stands for all of them, and a list of one is its element. */
function readExamples(body: unknown, what: string): JsonObject[] {
  const request = asObject(body, 'body', remedy);
  const signatureName = own(request, 'signature_name');
  if (signatureName !== undefined && !['', 'serving_default', `tensorflow/serving/${what}`].includes(String(signatureName))) {
    throw invalidRequest('signature_name', 'There is no such signature.', `Leave "signature_name" out, or send "tensorflow/serving/${what}".`);
  }
  const examples = own(request, 'examples');
  if (!Array.isArray(examples)) throw invalidRequest('examples', 'There is no list of "examples".', remedy);
  const sent = own(request, 'context');
  const context = sent === undefined ? [] : Object.entries(asObject(sent, 'context', 'Send an object, or leave "context" out.'));
  return examples.map((example: unknown, index) => {
    const own = Object.entries(asObject(example, `examples[${index}]`, remedy));
    const row = new Map(context);
    for (const [name, value] of own) {
      if (row.has(name)) throw invalidRequest(`examples[${index}]`, `"${name.slice(0, 60)}" stands in "context" as well.`, 'Send each feature in one of them.');
      row.set(name, value);
    }
    return Object.fromEntries([...row].map(([name, value]) => [name, Array.isArray(value) && value.length === 1 ? (value as unknown[])[0] : value]));
  });
}
