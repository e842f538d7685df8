import type { CheckedRows, Prediction, Signature } from '@millrace/packaging';
import { invalidRequest } from '../request-error.ts';
import {
  anomaliesByRow, asObject, checkColumns, checkInstances, checkNamed, checkPositional, itemPredictions, type JsonObject, listed, own, plainPredictions, type ReadRequest, refuseTooMany,
} from './protocol.ts';
import { checkInputs } from './tf-serving.ts';

const forms = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;
const remedy = `Send a JSON object with exactly one of ${listed(forms)}.`;

/** The request of MLflow's scoring server, answered by `{"predictions": […]}`. */
export const readMlflow: ReadRequest = (signature, body) => {
  const request = asObject(body, 'body', remedy);
  const given = forms.filter((form) => own(request, form) !== undefined);
  if (given.length !== 1) {
    throw invalidRequest('body', given.length ? `There are ${listed(given)} at once.` : 'There are no rows.', remedy);
  }
  const params = own(request, 'params');
  if (params !== undefined && params !== null && Object.keys(asObject(params, 'params', 'Leave "params" out.')).length) {
    throw invalidRequest('params', 'The model takes no parameters.', 'Leave "params" out.');
  }
  const writePredictions = (predictions: readonly Prediction[]) =>
    signature.anomaly ? anomaliesByRow(signature, predictions) : signature.output.type === 'items' ? itemPredictions(predictions) : plainPredictions(predictions);
  return { checked: check(signature, given[0]!, request[given[0]!]), write: ({ predictions }) => ({ predictions: writePredictions(predictions) }) };
};

function check(signature: Signature, form: (typeof forms)[number], rows: unknown): CheckedRows {
  switch (form) {
    case 'dataframe_split':
      return checkSplit(signature, asObject(rows, form, 'Send {"dataframe_split": {"columns": [ … ], "data": [[ … ]]}}.'));
    case 'dataframe_records':
      if (!Array.isArray(rows)) throw invalidRequest(form, `"${form}" is not a list.`, 'Send a list of objects by feature name.');
      return checkNamed(signature, rows);
    case 'instances':
      return checkInstances(signature, rows);
    case 'inputs':
      return checkInputs(signature, rows);
  }
}

/** `{columns, index?, data}` as pandas writes it; without columns the values stand in the order of the features. */
function checkSplit(signature: Signature, split: JsonObject): CheckedRows {
  const columns = own(split, 'columns');
  const data = own(split, 'data');
  if (!Array.isArray(data) || !data.every((row) => Array.isArray(row))) {
    throw invalidRequest('data', '"data" is not a list of lists.', 'Send each row as a list of values in the order of "columns".');
  }
  if (columns === undefined) return checkPositional(signature, data);
  if (!Array.isArray(columns) || !columns.every((name) => typeof name === 'string')) {
    throw invalidRequest('columns', '"columns" is not a list of names.', `The features are ${listed(signature.inputs.map((input) => input.name))}.`);
  }
  if (new Set(columns).size !== columns.length) {
    throw invalidRequest('columns', 'A column is named twice.', 'Send each column once.');
  }
  refuseTooMany(data.length);
  const ragged = data.findIndex((row: unknown[]) => row.length !== columns.length);
  if (ragged >= 0) {
    throw invalidRequest('data', `Row ${ragged} has ${(data[ragged] as unknown[]).length} values; there are ${columns.length} columns.`, 'Send one value for each column.');
  }
  return checkColumns(signature, new Map(columns.map((name, index) => [name, data.map((row: unknown[]) => row[index])])));
}
