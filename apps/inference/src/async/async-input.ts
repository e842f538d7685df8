import { readMlflow } from '../protocols/mlflow.ts';
import { readOpenInference } from '../protocols/open-inference.ts';
import { asObject, type JsonObject, own, type ReadRequest } from '../protocols/protocol.ts';
import { readSimplePredict } from '../protocols/simple-predict.ts';
import { readTfServing } from '../protocols/tf-serving.ts';
import { invalidRequest } from '../request-error.ts';

const remedy = 'Send what another route takes: {"features": …}, {"instances": […]}, {"dataframe_split": …}, or a list of rows.';

/** The `input` of an async prediction: a list of rows, or the body of any of the other routes, by the fields that it has. It is answered in the words of that route. */
export const readAsyncInput: ReadRequest = (signature, input) => {
  if (Array.isArray(input)) return readTfServing(signature, { instances: input });
  const fields = asObject(input, 'input', remedy);
  if (Object.hasOwn(fields, 'features')) return readSimplePredict(signature, fields);
  if (Object.hasOwn(fields, 'dataframe_split') || Object.hasOwn(fields, 'dataframe_records')) return readMlflow(signature, fields);
  if (Object.hasOwn(fields, 'rows')) {
    const { rows, ...others } = fields;
    return readTfServing(signature, { ...others, instances: rows });
  }
  if (!isTensors(fields['inputs'])) return readTfServing(signature, fields);
  if (wantsBytes(fields)) throw invalidRequest('parameters', 'The output of a prediction that is made later is JSON, never bytes.', 'Leave "binary_data_output" and "binary_data" out.');
  return readOpenInference(signature, fields);
};

/** Whether tensors of the output are asked for by the binary extension. */
function wantsBytes(fields: JsonObject): boolean {
  const flag = (of: unknown, name: string): boolean => {
    const parameters = typeof of === 'object' && of !== null ? own(of as JsonObject, 'parameters') : undefined;
    return typeof parameters === 'object' && parameters !== null && own(parameters as JsonObject, name) === true;
  };
  const outputs = own(fields, 'outputs');
  return flag(fields, 'binary_data_output') || (Array.isArray(outputs) && outputs.some((output) => flag(output, 'binary_data')));
}

/** Tensors of the Open Inference Protocol say what type they have; a list of rows does not. */
function isTensors(inputs: unknown): boolean {
  const first: unknown = Array.isArray(inputs) ? inputs[0] : undefined;
  return typeof first === 'object' && first !== null && Object.hasOwn(first, 'datatype') && Object.hasOwn(first, 'shape');
}
