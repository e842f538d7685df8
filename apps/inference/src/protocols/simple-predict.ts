import { invalidRequest } from '../request-error.ts';
import { asObject, checkInstances, checkList, checkNamed, isBarePicture, checkPositional, type JsonObject, listed, own, plainPredictions, type ReadRequest } from './protocol.ts';

const remedy = 'Send {"features": [5.1, 3.5, 1.4, 0.2]}, or {"features": {"name": value, …}}.';
const known = ['features', 'model'];

/** The name of the endpoint in the body of `POST /predict`, undefined when the key's only one is meant. */
export function readModelName(body: unknown): string | undefined {
  const model = own(asObject(body, 'body', remedy), 'model');
  if (model === undefined || typeof model === 'string') return model;
  throw invalidRequest('model', '"model" is not text.', 'Send the name of an endpoint, or leave "model" out if the key has only one.');
}

/** `{"features": …}`: one row or several, by position or by name. Answered by exactly `{"prediction": […]}`. */
export const readSimplePredict: ReadRequest = (signature, body) => {
  const request = asObject(body, 'body', remedy);
  for (const key of Object.keys(request)) {
    if (!known.includes(key)) throw invalidRequest(key.slice(0, 80), `There is no field "${key.slice(0, 80)}" in this request.`, `Leave it out. The fields are ${listed(known)}.`);
  }
  const features = own(request, 'features');
  if (features === undefined) throw invalidRequest('features', 'There is no "features".', remedy);
  if (typeof features !== 'object' || features === null) throw invalidRequest('features', '"features" is neither a list nor a JSON object.', remedy);
  const [first] = Array.isArray(features) ? features : [features];
  const checked = isBarePicture(signature, first)
    ? checkInstances(signature, Array.isArray(features) ? features : [features])
    : Array.isArray(features)
    ? isListOfRows(features)
      ? checkList(signature, features)
      : checkPositional(signature, features)
    : checkNamed(signature, features as JsonObject);
  return { checked, write: ({ predictions }) => ({ prediction: plainPredictions(predictions) }) };
};

function isListOfRows(features: readonly unknown[]): boolean {
  return typeof features[0] === 'object' && features[0] !== null;
}
