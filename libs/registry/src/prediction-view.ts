import type { OpenedPrediction, PredictionWarning } from './prediction-queue.ts';
import type { WebhookEvent } from './webhook-events.ts';

/** An async prediction in the words of Replicate's API. */
export interface PredictionView {
  id: string;
  model: string;
  version: string | null;
  input: unknown;
  output: unknown;
  error: unknown;
  status: 'starting' | 'processing' | 'succeeded' | 'failed' | 'canceled';
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  urls: { get: string; cancel: string };
  metrics: { predict_time?: number };
  /** where it has one */
  webhook?: string;
  /** where the model took what it had not seen in training, which other routes tell in a header */
  warnings?: readonly PredictionWarning[];
}

export function viewPrediction({ row, request, output, error, warnings }: OpenedPrediction): PredictionView {
  const at = `${request.origin}/v1/predictions/${row.id}`;
  const version = row.answeredBy ?? row.versionNumber;
  return {
    id: row.id,
    model: row.endpointName,
    version: version === null ? null : String(version),
    input: request.input,
    output,
    error,
    status: row.status.toLowerCase() as PredictionView['status'],
    created_at: row.createdAt.toISOString(),
    started_at: row.status === 'STARTING' ? null : (row.startedAt?.toISOString() ?? null),
    completed_at: row.completedAt?.toISOString() ?? null,
    urls: { get: at, cancel: `${at}/cancel` },
    metrics: row.predictMs === null ? {} : { predict_time: row.predictMs / 1000 },
    ...(request.webhook && { webhook: request.webhook.url }),
    ...(warnings.length > 0 && { warnings }),
  };
}

/** As it was at an event: the same whenever it is asked for, so that every try of a delivery says the same. */
export function viewAtEvent(opened: OpenedPrediction, event: WebhookEvent): PredictionView {
  if (event !== 'start') return viewPrediction(opened);
  const view = viewPrediction({ ...opened, warnings: [] });
  const { versionNumber } = opened.row;
  return { ...view, version: versionNumber === null ? null : String(versionNumber), status: 'processing', started_at: opened.row.startedAt?.toISOString() ?? null, output: null, error: null, completed_at: null, metrics: {} };
}
