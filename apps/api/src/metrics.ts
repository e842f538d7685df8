import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What is counted. Labels have few values each, none of them chosen by a client. */
export interface Metrics {
  operation(type: string, outcome: 'ok' | 'errors', startedAt: number): void;
  request(route: string, status: number): void;
  upload(bytes: number): void;
  /** by the words of the audit trail */
  refusal(action: string, result: string): void;
  subscriptionBegan(): void;
  subscriptionEnded(): void;
  /** of this process, for `serve` in any of them */
  report(): Promise<unknown>;
  /**
   * Serves them on a port of its own, which is not for the public; 0 picks one.
   * @param gather the reports of all processes that serve the port, which are added up; of none: those of this one alone
   */
  serve(host: string, port: number, gather?: () => Promise<unknown[]>): Promise<{ url: string; take(socket: Socket): void; close(): Promise<void> }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const operations = new Histogram({
    name: 'millrace_api_operation_seconds',
    help: 'GraphQL operations by type and outcome',
    labelNames: ['type', 'outcome'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const requests = new Counter({
    name: 'millrace_api_requests_total',
    help: 'HTTP requests by route and class of status',
    labelNames: ['route', 'status'],
    registers,
  });
  const uploaded = new Counter({ name: 'millrace_api_uploaded_bytes_total', help: 'Bytes of complete uploads', registers });
  const refusals = new Counter({
    name: 'millrace_api_refusals_total',
    help: 'What was asked for in vain, by action and code of the refusal',
    labelNames: ['action', 'result'],
    registers,
  });
  const subscriptions = new Gauge({ name: 'millrace_api_subscriptions', help: 'Subscriptions that are open', registers });

  return {
    operation: (type, outcome, startedAt) => operations.observe({ type, outcome }, (performance.now() - startedAt) / 1000),
    request: (route, status) => requests.inc({ route, status: `${Math.floor(status / 100)}xx` }),
    upload: (bytes) => uploaded.inc(bytes),
    refusal: (action, result) => refusals.inc({ action, result }),
    subscriptionBegan: () => subscriptions.inc(),
    subscriptionEnded: () => subscriptions.dec(),
    report: () => registry.getMetricsAsJSON(),
    async serve(host, port, gather = async () => []) {
      collectDefaultMetrics({ register: registry });
      const server = createServer((request, response) => {
        if (request.url !== '/metrics') {
          response.writeHead(404).end();
          return;
        }
        const render = async (): Promise<string> => {
          const reports = await gather();
          return reports.length ? AggregatorRegistry.aggregate(reports as object[][]).metrics() : registry.metrics();
        };
        render().then(
          (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
          () => response.writeHead(500).end(),
        );
      });
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
      const { port: chosen } = server.address() as AddressInfo;
      return {
        url: `http://${host}:${chosen}/metrics`,
        /** answers on a connection that was accepted elsewhere */
        take: (socket: Socket) => void server.emit('connection', socket),
        close: () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      };
    },
  };
}
