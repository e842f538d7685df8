import type { TenantTx } from '@millrace/database';

/** Somebody who has sent truths about an endpoint's predictions. */
export interface FeedbackSender {
  /** `person:per_…` or `key:key_…` */
  sender: string;
  /** whether rules count what they sent: they had the permission `endpoint:feedback` when they sent it */
  isTrusted: boolean;
  predictions: number;
  /** in the words of who sent it, the latest; null where they gave none */
  lastSource: string | null;
  lastAt: Date;
}

const mostSenders = 50;

export interface FeedbackSendersQuery {
  tenantId: string;
  endpointId: string;
  since: Date;
  /** of the tenant's truths only the latest are looked at, whichever endpoint they are about */
  mostTruths?: number;
}

/**
 * Of predictions that are still kept and were made since then, the latest sender first; what was replaced is its replacer’s. Only the tenant's
 * latest 100,000 truths are looked at: nobody waits for more to be counted. Looked up one by one: see `export` in libs/auth/src/trail.ts.
 */
export async function readFeedbackSenders(tx: TenantTx, { tenantId, endpointId, since, mostTruths = 100_000 }: FeedbackSendersQuery): Promise<FeedbackSender[]> {
  return tx.$queryRaw<FeedbackSender[]>`
    SELECT f.given_by AS sender, f.trusted AS "isTrusted", count(*)::int AS predictions, (array_agg(f.source ORDER BY f.given_at DESC))[1] AS "lastSource", max(f.given_at) AS "lastAt"
    FROM (
      SELECT tenant_id, prediction_id, given_by, trusted, source, given_at FROM feedback
      WHERE tenant_id = ${tenantId} AND given_at >= ${since} ORDER BY given_at DESC LIMIT ${mostTruths}) f
    CROSS JOIN LATERAL (SELECT recording_id FROM recorded_predictions p WHERE p.tenant_id = f.tenant_id AND p.prediction_id = f.prediction_id LIMIT 1) p
    CROSS JOIN LATERAL (SELECT endpoint_id, created_at FROM recordings r WHERE r.tenant_id = f.tenant_id AND r.id = p.recording_id LIMIT 1) r
    WHERE r.endpoint_id = ${endpointId} AND r.created_at >= ${since}
    GROUP BY 1, 2 ORDER BY max(f.given_at) DESC, 1 LIMIT ${mostSenders}`;
}
