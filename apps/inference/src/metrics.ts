import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ShedReason } from './admission.ts';
import type { Batcher } from './batcher.ts';
import type { Explainer } from './explainer.ts';
import type { ModelCache, UnloadReason } from './model-cache.ts';
import type { Predictor } from './predictor.ts';

/** From far below a single row on a small model to a large request on a busy machine. */
const bucketsInSeconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Metrics = ReturnType<typeof createMetrics>;

/** What an operator watches, for Prometheus. Labels are routes, statuses and codes of our own: bounded, and no tenant's names. */
export function createMetrics(models: ModelCache, predictor: Predictor, explainer: Explainer, batcher: Pick<Batcher, 'waiting'>) {
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
  const callRows = new Histogram({ name: 'millrace_model_call_rows', help: 'Rows that a model predicted in one call', buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096], registers });
  const shed = new Counter({ name: 'millrace_shed_total', help: 'Requests put off: a queue was full, the deadline could not be met, or it had passed', labelNames: ['reason'], registers });
  const mirrored = new Counter({ name: 'millrace_mirrored_total', help: 'Copies of requests for shadows: shown to one, or dropped since there was other work', labelNames: ['outcome'], registers });
  const loads = new Counter({ name: 'millrace_model_loads_total', help: 'Models loaded, or not', labelNames: ['outcome'], registers });
  const unloads = new Counter({ name: 'millrace_model_unloads_total', help: 'Models unloaded, and why', labelNames: ['reason'], registers });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({ name, help, registers, collect() { this.set(value()); } });
  gauge('millrace_models_loaded', 'Models in memory', () => models.loadedModels);
  gauge('millrace_model_bytes', 'Memory that the loaded models are counted with, in bytes', () => models.loadedBytes);
  gauge('millrace_predictions_in_flight', 'Predictions under way', () => predictor.inFlight);
  gauge('millrace_explanations_in_flight', 'Explanations under way', () => explainer.underWay);

  gauge('millrace_predictions_waiting', 'Predictions that wait for their model', () => batcher.waiting);

  /** Looking up the labels costs more than counting, so each pair is looked up once. */
  const observers = new Map<string, Map<number, { observe(seconds: number): void }>>();

  return {
    contentType: registry.contentType,
    /** of this process, for `render` in any of them */
    report: () => registry.getMetricsAsJSON(),
    /** @param reports of all processes that serve the port, which are added up; of none: those of this one alone */
    render: (reports: unknown[]): Promise<string> => (reports.length ? AggregatorRegistry.aggregate(reports as object[][]).metrics() : registry.metrics()),

    answered(route: string, status: number, seconds: number): void {
      let byStatus = observers.get(route);
      if (!byStatus) observers.set(route, (byStatus = new Map()));
      let observer = byStatus.get(status);
      if (!observer) byStatus.set(status, (observer = duration.labels(route, String(status))));
      observer.observe(seconds);
    },

    /** what goes on in the queues of the models */
    batches: {
      call: (count: number): void => callRows.observe(count),
      shed: (reason: ShedReason): void => shed.inc({ reason }),
    },

    /** what becomes of the copies of requests for shadows */
    shadow: {
      shown: (): void => mirrored.inc({ outcome: 'shown' }),
      dropped: (): void => mirrored.inc({ outcome: 'dropped' }),
    },

    /** what goes on in the cache of models */
    models: {
      loaded: (isLoaded: boolean): void => loads.inc({ outcome: isLoaded ? 'loaded' : 'failed' }),
      unloaded: (reason: UnloadReason): void => unloads.inc({ reason }),
    },

    refused(code: string): void {
      refusals.inc({ code });
    },

    predicted(count: number): void {
      rows.inc(count);
    },
  };
}
