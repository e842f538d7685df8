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

/** Of predictions that are still kept and were made since then, the latest sender first; what was replaced is its replacer's. */
export async function readFeedbackSenders(tx: TenantTx, { tenantId, endpointId, since }: { tenantId: string; endpointId: string; since: Date }): Promise<FeedbackSender[]> {
  return tx.$queryRaw<FeedbackSender[]>`
    SELECT f.given_by AS sender, f.trusted AS "isTrusted", count(*)::int AS predictions, (array_agg(f.source ORDER BY f.given_at DESC))[1] AS "lastSource", max(f.given_at) AS "lastAt"
    FROM recordings r
    JOIN recorded_predictions p ON p.tenant_id = r.tenant_id AND p.recording_id = r.id
    JOIN feedback f ON f.tenant_id = p.tenant_id AND f.prediction_id = p.prediction_id
    WHERE r.tenant_id = ${tenantId} AND r.endpoint_id = ${endpointId} AND r.created_at >= ${since}
    GROUP BY 1, 2 ORDER BY max(f.given_at) DESC, 1 LIMIT ${mostSenders}`;
}
