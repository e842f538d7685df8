import type { Operation } from '../openapi.ts';

/** The route by which the truth about a prediction comes back. */
export const feedbackOperations = {
  feedback: {
    method: 'POST', path: '/v1/feedback', id: 'giveFeedback', tag: 'Feedback', summary: 'Send the truth about an earlier prediction',
    description:
      '`prediction_id` is what the answer of the prediction had in `x-millrace-prediction-id` (or as `id`, of one that was made later). `label` is the truth: the class as text, the number, of an anomaly detection true or ' +
      'false, of a remaining life the time at which it ended or {"time": 300, "event": false} if it still went on then; of a prediction with several rows a list with one for each row, null where it is not known yet. `source` says in your own words where it comes from. Sent again, it replaces what was sent before. ' +
      'It costs nothing, and scores the version that answered. A rollout is judged only by what a key with the scope FEEDBACK sends (`trusted`): what others send is kept and shown, and replaces nothing of that. The endpoint must record predictions; an id that nobody knows, of another tenant, or of an endpoint that the key may not call is `prediction_not_found`.',
    request: { prediction_id: 'prd_00000000000000000000000000', label: 'setosa', source: 'laboratory' }, takes: 'FeedbackRequest',
    answer: { type: 'application/json', schema: 'FeedbackAnswer', example: { prediction_id: 'prd_00000000000000000000000000', model: 'iris', version: '1', labelled_rows: 1, replaced: false, trusted: true } },
  },
} as const satisfies Record<string, Operation>;
