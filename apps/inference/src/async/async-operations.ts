import type { Operation } from '../openapi.ts';

const tag = 'Async';
const waiting = {
  id: 'prd_…', model: 'iris', version: null, input: { features: [5.1, 3.5, 1.4, 0.2] }, output: null, error: null, status: 'starting',
  created_at: '2026-11-26T08:00:00.000Z', started_at: null, completed_at: null,
  urls: { get: 'http://localhost:8000/v1/predictions/prd_…', cancel: 'http://localhost:8000/v1/predictions/prd_…/cancel' }, metrics: {},
};
const ended = {
  ...waiting, version: '1', output: { prediction: ['setosa'] }, status: 'succeeded',
  started_at: '2026-11-26T08:00:00.020Z', completed_at: '2026-11-26T08:00:00.031Z', metrics: { predict_time: 0.011 },
};

/** The routes of predictions that are accepted now and made later: names and fields are those of Replicate's API. */
export const asyncOperations = {
  createPrediction: {
    method: 'POST', path: '/v1/predictions', id: 'createPrediction', tag, summary: 'Accept a prediction that is made later',
    description:
      '`input` is the body of any other route, or a list of rows; `output` is what that route answers. It is checked at once. `model` may be left out where the key can call ' +
      'only one; `version` asks for one version. `Prefer: wait=10` waits up to so many seconds (60 at most). 201: it has ended; 202: it has not yet. Limits of usage count when it is made. `webhook` is told of the events in `webhook_events_filter` ' +
      '(`start`, `output`, `completed`; all if left out) with the same object, signed as Standard Webhooks has it.',
    request: { model: 'iris', input: { features: [5.1, 3.5, 1.4, 0.2] } }, takes: 'PredictionRequest', headers: ['Prefer', 'x-millrace-model-version'],
    answer: { type: 'application/json', schema: 'Prediction', example: waiting, statuses: { 201: 'It has ended.', 202: 'It is accepted, and has not ended yet.' } },
  },
  getPrediction: {
    method: 'GET', path: '/v1/predictions/{id}', id: 'getPrediction', tag, summary: 'How an accepted prediction stands',
    description: '`status` is `starting`, `processing`, `succeeded`, `failed` or `canceled`. A key sees what it has asked for itself. `Prefer: wait=10` waits for the end here as well. `error` has the code that another route would have answered with.',
    headers: ['Prefer'],
    answer: { type: 'application/json', schema: 'Prediction', example: ended },
  },
  cancelPrediction: {
    method: 'POST', path: '/v1/predictions/{id}/cancel', id: 'cancelPrediction', tag, summary: 'Cancel it, unless it has ended',
    description: 'What is canceled is not billed.',
    answer: { type: 'application/json', schema: 'Prediction', example: { ...waiting, status: 'canceled', completed_at: '2026-11-26T08:00:01.000Z' } },
  },
} as const satisfies Record<string, Operation>;
