import { type ExplanationRequest, mostEvaluations } from '@millrace/explanation';
import { dateOfDay } from '@millrace/kernel';
import { type CheckedRows, numbersOf, type Signature, type ValidatedRows } from '@millrace/packaging';
import type { ServedEndpoint } from '@millrace/registry';
import type { ExplainedRow } from '../explainer.ts';
import { invalidRequest, invalidRows } from '../request-error.ts';
import { readOpenInference } from './open-inference.ts';
import { asObject, own, type ReadRequest } from './protocol.ts';
import { readTfServing } from './tf-serving.ts';

/** Explanations that were made, ready to be written in the words of a protocol. */
export interface ExplainOutcome {
  predictionId: string;
  served: ServedEndpoint;
  signature: Signature;
  explained: ExplainedRow[];
}

/** What a request asks for: its rows, checked like those of a prediction, what of the answer, and how it is written. */
export interface ExplainReading {
  checked: CheckedRows;
  request: ExplanationRequest;
  write(outcome: ExplainOutcome): unknown;
}

/** @throws RequestError 400 */
export type ReadExplainRequest = (signature: Signature, body: unknown) => ExplainReading;

const mostRows = 16;

/** KServe's explain request: `instances` as for a prediction, answered by `explanations`. */
export const readInstancesToExplain: ReadExplainRequest = (signature, body) => ({
  checked: checked(readTfServing, signature, body, mostRows),
  request: parametersOf(body),
  write: ({ explained }) => ({ explanations: explained.map((one) => explanationOf(signature, one)) }),
});

/** The Open Inference Protocol's infer request with one row, answered by one explanation. */
export const readTensorsToExplain: ReadExplainRequest = (signature, body) => {
  const id = own(asObject(body, 'body', 'Send {"inputs": […]}.'), 'id');
  return {
    checked: checked(readOpenInference, signature, body, 1),
    request: parametersOf(body),
    write: ({ explained, predictionId, served }) => ({
      model_name: served.endpoint.name,
      model_version: String(served.version.number),
      id: typeof id === 'string' ? id : predictionId,
      ...explanationOf(signature, explained[0]!),
    }),
  };
};

function checked(read: ReadRequest, signature: Signature, body: unknown, most: number): CheckedRows {
  const reading = read(signature, body).checked;
  if (reading.type === 'invalid' || reading.rows.count <= most) return reading;
  const message = `There are ${reading.rows.count} rows; ${most === 1 ? 'one is' : `${most} are`} explained at once.`;
  throw invalidRows([{ row: null, field: 'rows', code: 'too_many_rows', message, remedy: most === 1 ? `Send one row, or up to ${mostRows} to /v1/models/{model}:explain.` : `Send at most ${most} rows at once.` }]);
}

function parametersOf(body: unknown): ExplanationRequest {
  const remedy = 'Send "class", "output" or "max_evaluations", or leave "parameters" out.';
  const sent = own(asObject(body, 'body', remedy), 'parameters');
  if (sent === undefined) return {};
  const parameters = asObject(sent, 'parameters', remedy);
  const textOf = (name: 'class' | 'output'): string | undefined => {
    const value = own(parameters, name);
    if (value === undefined || typeof value === 'string') return value;
    throw invalidRequest(`parameters.${name}`, `"${name}" is not text.`, remedy);
  };
  const most = own(parameters, 'max_evaluations');
  if (most !== undefined && !(typeof most === 'number' && Number.isInteger(most) && most >= 1 && most <= mostEvaluations)) {
    throw invalidRequest('parameters.max_evaluations', `"max_evaluations" is no whole number from 1 to ${mostEvaluations}.`, 'Send one, or leave it out.');
  }
  return { class: textOf('class'), output: textOf('output'), ...(typeof most === 'number' ? { maxEvaluations: most } : {}) };
}

function explanationOf(signature: Signature, { row, ...explanation }: ExplainedRow): object {
  const { output, answer, baseValue, attributions, additivityError, faithfulness, method, heatMap, warnings } = explanation;
  const data = valuesOf(signature, row);
  return {
    output,
    answer,
    base_value: baseValue,
    attributions: attributions.map(({ name, value, standardError, region }, place) => ({ name, value, data: region ?? data[place], standard_error: standardError })),
    additivity_error: additivityError,
    method: { name: method.algorithm, evaluations: method.evaluations, background_rows: method.references, exact: method.isExact, converged: method.hasConverged },
    faithfulness: faithfulness.score,
    ...(faithfulness.score === null ? { faithfulness_reason: faithfulness.reason } : {}),
    ...(heatMap ? { heat_map: heatMap } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
}

/** What the model has seen of a row, by input: null for what is missing, or as good as missing. */
function valuesOf({ inputs, graph }: Signature, { numbers, categories }: ValidatedRows): (number | string | null)[] {
  let number = 0;
  let category = 0;
  return inputs.map((input) => {
    if (input.categories) {
      const text = categories[category++]!;
      return text === graph.missingCategory ? null : text;
    }
    const cells = numbers.subarray(number, (number += numbersOf(input)));
    const value = input.type === 'date' ? cells[input.parts.indexOf('day')] : cells[0];
    if (value === undefined || Number.isNaN(value)) return null;
    return input.type === 'date' ? dateOfDay(value) : value;
  });
}
