import { recordAudit, type TenantBox } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { type Logger, newId } from '@millrace/kernel';
import type { Prediction, Signature } from '@millrace/packaging';
import { type QuotaExceeded, takeStorage } from '@millrace/quota';
import type { Variant } from './traffic.ts';
import { answersOf, type RecordedAnswer } from './truths.ts';

/** An answer that was given, and by whom. */
export interface GivenAnswer {
  tenantId: string;
  endpointId: string;
  versionId: string;
  /** CANARY only where a share of the traffic came to it: who asks for a version by its number is no judge of a rollout */
  variant: Variant;
  predictionId: string;
  signature: Signature;
  predictions: readonly Prediction[];
}

export interface PredictionRecorderOptions {
  database: Database;
  box: TenantBox;
  logger: Logger;
  flushEveryMs?: number;
  /** values of answers that may wait for the database; further ones are not kept */
  mostWaiting?: number;
  /** of a tenant whose storage is full nothing is gathered for so long */
  pauseMs?: number;
}

interface Pile extends Pick<GivenAnswer, 'tenantId' | 'endpointId' | 'versionId' | 'variant'> {
  answers: Map<string, RecordedAnswer[]>;
  /** what its answers weigh */
  values: number;
}

/** Of one recording. */
const mostPredictions = 1_000;
const mostValues = 20_000;
/** What a recorded prediction takes in the database beside its answer, about. */
const bytesOfPrediction = 150;

export type PredictionRecorder = ReturnType<typeof createPredictionRecorder>;

/**
 * Keeps what was answered, so that feedback can be scored. Gathered in memory and sent to the database in batches, off the way
 * of the requests; each batch of a version is sealed as one, and counts as the tenant's storage. When that is full nothing more is
 * kept, and predictions go on. What a killed process had not sent is lost: it is no bill.
 */
export function createPredictionRecorder({ database, box, logger, flushEveryMs = 1000, mostWaiting = 500_000, pauseMs = 10_000 }: PredictionRecorderOptions) {
  let piles = new Map<string, Pile>();
  let full: Pile[] = [];
  let waiting = 0;
  let dropped = 0;
  /** tenants whose storage is full, and until when they are left alone */
  const paused = new Map<string, number>();
  let flushing: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  function isPaused(tenantId: string): boolean {
    const until = paused.get(tenantId);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    paused.delete(tenantId);
    return false;
  }

  async function send(): Promise<void> {
    if (dropped > 0) logger.warn({ predictions: dropped }, 'predictions were not recorded: the database does not take them fast enough');
    dropped = 0;
    const sent = [...full, ...piles.values()];
    [full, piles] = [[], new Map()];
    for (const pile of sent) {
      try {
        const refusal = await enter(pile);
        if (refusal) await stop(pile, refusal);
      } catch (error) {
        logger.warn({ tenantId: pile.tenantId, predictions: pile.answers.size, error: String(error) }, 'answers could not be recorded; feedback on them will find nothing');
      }
      waiting -= pile.values;
    }
  }

  /** Why there is no room for it; null when it has been entered, or nobody wants it any more. */
  async function enter({ tenantId, endpointId, versionId, variant, answers }: Pile): Promise<QuotaExceeded | null> {
    const id = newId('recording');
    const sealed = await box.seal(tenantId, `recording ${id}`, JSON.stringify([...answers.values()]));
    const bytes = sealed.length + bytesOfPrediction * answers.size;
    const entering = database.forTenant(tenantId).transaction(async (tx) => {
      // An endpoint or a version may be gone by now, and the endpoint may have stopped recording: then nobody wants to know.
      const [entered] = await tx.$queryRaw<{ isStopped: boolean; name: string }[]>`
        WITH e AS (SELECT * FROM endpoints WHERE tenant_id = ${tenantId} AND id = ${endpointId} AND record_days IS NOT NULL),
          r AS (
            INSERT INTO recordings (id, tenant_id, endpoint_id, version_id, variant, outputs_box, predictions, bytes, ends_at)
            SELECT ${id}, ${tenantId}, e.id, v.id, ${variant}::traffic_variant, ${sealed}, ${answers.size}, ${bytes}, now() + make_interval(days => e.record_days)
            FROM e JOIN model_versions v ON v.tenant_id = ${tenantId} AND v.id = ${versionId}
            RETURNING endpoint_id)
        SELECT e.recording_stopped_at IS NOT NULL AS "isStopped", e.name FROM e JOIN r ON r.endpoint_id = e.id`;
      if (!entered) return;
      // A prediction that was made again under its id keeps the answer that was given last, unless its truth is known already.
      await tx.$executeRaw`
        INSERT INTO recorded_predictions AS r (tenant_id, prediction_id, recording_id, place)
        SELECT ${tenantId}, id, ${id}, place - 1 FROM unnest(${[...answers.keys()]}::text[]) WITH ORDINALITY AS p (id, place) ORDER BY id
        ON CONFLICT (tenant_id, prediction_id) DO UPDATE SET recording_id = EXCLUDED.recording_id, place = EXCLUDED.place
        WHERE NOT EXISTS (SELECT 1 FROM feedback f WHERE f.tenant_id = r.tenant_id AND f.prediction_id = r.prediction_id)`;
      // Last, as whoever removes recordings does: none waits for the other.
      const taken = await takeStorage(tx, tenantId, bytes);
      if (taken.type !== 'taken') throw new NoRoom(taken);
      if (!entered.isStopped) return;
      await tx.$executeRaw`UPDATE endpoints SET recording_stopped_at = NULL WHERE tenant_id = ${tenantId} AND id = ${endpointId}`;
      await recordAudit(tx, { type: 'system', tenantId }, { action: 'recording.resume', subject: endpointId, details: { name: entered.name } });
    });
    return entering.then(
      () => null,
      (error: unknown) => {
        if (error instanceof NoRoom) return error.refusal;
        throw error;
      },
    );
  }

  /** Says once that nothing is kept any more, to the tenant's people and in the log. */
  async function stop({ tenantId, endpointId, answers }: Pile, { limit, used }: QuotaExceeded): Promise<void> {
    paused.set(tenantId, performance.now() + pauseMs);
    await database.forTenant(tenantId).transaction(async (tx) => {
      const [stopped] = await tx.$queryRaw<{ name: string }[]>`
        UPDATE endpoints SET recording_stopped_at = now() WHERE tenant_id = ${tenantId} AND id = ${endpointId} AND recording_stopped_at IS NULL RETURNING name`;
      if (!stopped) return;
      logger.warn({ tenantId, endpoint: stopped.name, predictions: answers.size }, 'answers are kept no more: the tenant has no storage left');
      const details = { name: stopped.name, resource: 'STORAGE_BYTES', limit: String(limit), used: String(used) };
      await recordAudit(tx, { type: 'system', tenantId }, { action: 'recording.stop', subject: endpointId, result: 'quota_exceeded', details });
    });
  }

  return {
    /** Never waits, and never fails. */
    record({ tenantId, endpointId, versionId, variant, predictionId, signature, predictions }: GivenAnswer): void {
      if (waiting + predictions.length > mostWaiting) return void dropped++;
      if (paused.size && isPaused(tenantId)) return;
      const answers = answersOf(signature, predictions);
      if (!answers) return;
      const key = `${endpointId} ${versionId} ${variant}`;
      let pile = piles.get(key);
      if (!pile) piles.set(key, (pile = { tenantId, endpointId, versionId, variant, answers: new Map(), values: 0 }));
      pile.answers.set(predictionId, answers);
      const values = answers.reduce<number>((sum, answer) => sum + (typeof answer === 'number' ? 1 : answer.length), 0);
      pile.values += values;
      waiting += values;
      if (pile.answers.size < mostPredictions && pile.values < mostValues) return;
      piles.delete(key);
      full.push(pile);
    },

    /** Sends what has been recorded so far. */
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

/** Leaves the transaction, so that nothing of the batch is there. */
class NoRoom extends Error {
  readonly refusal: QuotaExceeded;

  constructor(refusal: QuotaExceeded) {
    super(refusal.message);
    this.refusal = refusal;
  }
}
