import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Explainer } from './explainer.ts';
import type { ModelCache } from './model-cache.ts';
import type { Predictor } from './predictor.ts';

/** From far below a single row on a small model to a large request on a busy machine. */
const bucketsInSeconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Metrics = ReturnType<typeof createMetrics>;

/** What an operator watches, for Prometheus. Labels are routes, statuses and codes of our own: bounded, and no tenant's names. */
export function createMetrics(models: ModelCache, predictor: Predictor, explainer: Explainer) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const duration = new Histogram({
    name: 'millrace_http_request_seconds',
    help: 'Time from the head of a request to the end of its answer',
    labelNames: ['route', 'status'],
    buckets: bucketsInSeconds,
    registers,
  });
  const refusals = new Counter({ name: 'millrace_refusals_total', help: 'Requests refused, by the code in their answer', labelNames: ['code'], registers });
  const rows = new Counter({ name: 'millrace_predicted_rows_total', help: 'Rows predicted and entered into the ledger', registers });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({ name, help, registers, collect() { this.set(value()); } });
  gauge('millrace_models_loaded', 'Models in memory', () => models.loadedModels);
  gauge('millrace_model_bytes', 'Packages of the models in memory, in bytes', () => models.loadedBytes);
  gauge('millrace_predictions_in_flight', 'Predictions under way', () => predictor.inFlight);
  gauge('millrace_explanations_in_flight', 'Explanations under way', () => explainer.underWay);

  /** Looking up the labels costs more than counting, so each pair is looked up once. */
  const observers = new Map<string, Map<number, { observe(seconds: number): void }>>();

  return {
    contentType: registry.contentType,
    render: (): Promise<string> => registry.metrics(),

    answered(route: string, status: number, seconds: number): void {
      let byStatus = observers.get(route);
      if (!byStatus) observers.set(route, (byStatus = new Map()));
      let observer = byStatus.get(status);
      if (!observer) byStatus.set(status, (observer = duration.labels(route, String(status))));
      observer.observe(seconds);
    },

    refused(code: string): void {
      refusals.inc({ code });
    },

    predicted(count: number): void {
      rows.inc(count);
    },
  };
}
