import type { Database } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import { countRequest, noTraffic, type ServedRequest, type TrafficCounts, trafficSlotSeconds } from './traffic.ts';

export interface TrafficRecorderOptions {
  database: Database;
  logger: Logger;
  flushEveryMs?: number;
}

/** Counts are kept so long. */
const lifeDays = 14;
const sweepEveryMs = 3_600_000;
const mostSwept = 10_000;

export type TrafficRecorder = ReturnType<typeof createTrafficRecorder>;

/**
 * Counts how the versions of endpoints fare, in memory, and adds the counts to the database's now and then. What a killed
 * process had not sent is lost: this steers rollouts and is no bill.
 */
export function createTrafficRecorder({ database, logger, flushEveryMs = 1000 }: TrafficRecorderOptions) {
  let counted = new Map<string, { request: ServedRequest; counts: TrafficCounts }>();
  /** when a tenant's old counts were last removed */
  const swept = new Map<string, number>();
  let flushing: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function send(): Promise<void> {
    if (!counted.size) return;
    const entries = [...counted.values()];
    counted = new Map();
    const byTenant = new Map<string, typeof entries>();
    for (const entry of entries) byTenant.set(entry.request.tenantId, [...(byTenant.get(entry.request.tenantId) ?? []), entry]);
    for (const [tenantId, list] of byTenant) {
      const rows = list.map(({ request: { endpointId, versionId, variant }, counts }) => ({ endpoint: endpointId, version: versionId, variant, ...counts }));
      try {
        // An endpoint may be gone by now, and a version as well: then nobody wants to know.
        await database.forTenant(tenantId).transaction(
          (tx) => tx.$executeRaw`
            INSERT INTO traffic_counts AS t (tenant_id, endpoint_id, version_id, variant, slot, requests, errors, refused, differing, latency_counts)
            SELECT ${tenantId}, e.id, v.id, c.variant::traffic_variant, to_timestamp(floor(extract(epoch FROM now()) / ${trafficSlotSeconds}::int) * ${trafficSlotSeconds}::int),
              c.requests, c.errors, c.refused, c.differing, ARRAY(SELECT jsonb_array_elements_text(c.latencies)::int)
            FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS c(endpoint text, version text, variant text, requests int, errors int, refused int, differing int, latencies jsonb)
            JOIN endpoints e ON e.tenant_id = ${tenantId} AND e.id = c.endpoint
            JOIN model_versions v ON v.tenant_id = ${tenantId} AND v.id = c.version
            ORDER BY e.id, v.id, c.variant -- in one order, so that two processes never wait for each other
            ON CONFLICT (tenant_id, endpoint_id, version_id, variant, slot) DO UPDATE SET
              requests = t.requests + EXCLUDED.requests, errors = t.errors + EXCLUDED.errors, refused = t.refused + EXCLUDED.refused,
              differing = t.differing + EXCLUDED.differing,
              latency_counts = ARRAY(SELECT a + b FROM unnest(t.latency_counts, EXCLUDED.latency_counts) AS both_counts(a, b))`,
        );
        if ((swept.get(tenantId) ?? -Infinity) < performance.now() - sweepEveryMs) {
          if (swept.size >= mostSwept) swept.clear();
          swept.set(tenantId, performance.now());
          await database.forTenant(tenantId).transaction(
            (tx) => tx.$executeRaw`DELETE FROM traffic_counts WHERE tenant_id = ${tenantId} AND slot < now() - make_interval(days => ${lifeDays}::int)`,
          );
        }
      } catch (error) {
        logger.warn({ tenantId, error: String(error) }, 'counts of an endpoint’s traffic did not reach the database');
      }
    }
  }

  return {
    record(request: ServedRequest): void {
      const key = `${request.endpointId} ${request.versionId} ${request.variant}`;
      let entry = counted.get(key);
      if (!entry) counted.set(key, (entry = { request, counts: noTraffic() }));
      countRequest(entry.counts, request);
    },

    /** Sends what has been counted so far. */
    flush(): Promise<void> {
      return (flushing = flushing.then(send));
    },

    start(): void {
      timer = setInterval(() => void this.flush(), flushEveryMs);
      timer.unref();
    },

    async close(): Promise<void> {
      clearInterval(timer);
      await this.flush();
    },
  };
}
