import type { TenantBox } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { type Logger, newId } from '@millrace/kernel';
import type { Prediction, Signature } from '@millrace/packaging';
import type { Variant } from './traffic.ts';
import { answersOf } from './truths.ts';

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
  /** rows that may wait for the database; further ones are not kept */
  mostWaiting?: number;
}

interface Pile extends Pick<GivenAnswer, 'tenantId' | 'endpointId' | 'versionId' | 'variant'> {
  answers: Map<string, number[]>;
  rows: number;
}

/** Of one recording. */
const mostPredictions = 1_000;
const mostRows = 20_000;
/** What a recorded prediction takes in the database beside its answer, about. */
export const bytesOfPrediction = 150;

export type PredictionRecorder = ReturnType<typeof createPredictionRecorder>;

/**
 * Keeps what was answered, so that feedback can be scored. Gathered in memory and sent to the database in batches, off the way
 * of the requests; each batch of a version is sealed as one. What a killed process had not sent is lost: it is no bill.
 */
export function createPredictionRecorder({ database, box, logger, flushEveryMs = 1000, mostWaiting = 500_000 }: PredictionRecorderOptions) {
  let piles = new Map<string, Pile>();
  let full: Pile[] = [];
  let waiting = 0;
  let dropped = 0;
  let flushing: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function send(): Promise<void> {
    if (dropped > 0) logger.warn({ predictions: dropped }, 'predictions were not recorded: the database does not take them fast enough');
    dropped = 0;
    const sent = [...full, ...piles.values()];
    [full, piles] = [[], new Map()];
    for (const pile of sent) {
      try {
        await enter(pile);
      } catch (error) {
        logger.warn({ tenantId: pile.tenantId, predictions: pile.answers.size, error: String(error) }, 'answers could not be recorded; feedback on them will find nothing');
      }
      waiting -= pile.rows;
    }
  }

  async function enter({ tenantId, endpointId, versionId, variant, answers }: Pile): Promise<void> {
    const id = newId('recording');
    const sealed = await box.seal(tenantId, `recording ${id}`, JSON.stringify([...answers.values()]));
    const bytes = sealed.length + bytesOfPrediction * answers.size;
    await database.forTenant(tenantId).transaction(async (tx) => {
      // An endpoint or a version may be gone by now, and the endpoint may have stopped recording: then nobody wants to know.
      const entered = await tx.$executeRaw`
        INSERT INTO recordings (id, tenant_id, endpoint_id, version_id, variant, outputs_box, predictions, bytes, ends_at)
        SELECT ${id}, ${tenantId}, e.id, v.id, ${variant}::traffic_variant, ${sealed}, ${answers.size}, ${bytes}, now() + make_interval(days => e.record_days)
        FROM endpoints e JOIN model_versions v ON v.tenant_id = ${tenantId} AND v.id = ${versionId}
        WHERE e.tenant_id = ${tenantId} AND e.id = ${endpointId} AND e.record_days IS NOT NULL`;
      if (!entered) return;
      // A prediction that was made again under its id keeps the answer that was given last, unless its truth is known already.
      await tx.$executeRaw`
        INSERT INTO recorded_predictions AS r (tenant_id, prediction_id, recording_id, place)
        SELECT ${tenantId}, id, ${id}, place - 1 FROM unnest(${[...answers.keys()]}::text[]) WITH ORDINALITY AS p (id, place) ORDER BY id
        ON CONFLICT (tenant_id, prediction_id) DO UPDATE SET recording_id = EXCLUDED.recording_id, place = EXCLUDED.place
        WHERE NOT EXISTS (SELECT 1 FROM feedback f WHERE f.tenant_id = r.tenant_id AND f.prediction_id = r.prediction_id)`;
    });
  }

  return {
    /** Never waits, and never fails. */
    record({ tenantId, endpointId, versionId, variant, predictionId, signature, predictions }: GivenAnswer): void {
      if (waiting + predictions.length > mostWaiting) return void dropped++;
      const answers = answersOf(signature, predictions);
      if (!answers) return;
      const key = `${endpointId} ${versionId} ${variant}`;
      let pile = piles.get(key);
      if (!pile) piles.set(key, (pile = { tenantId, endpointId, versionId, variant, answers: new Map(), rows: 0 }));
      pile.answers.set(predictionId, answers);
      pile.rows += answers.length;
      waiting += answers.length;
      if (pile.answers.size < mostPredictions && pile.rows < mostRows) return;
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
