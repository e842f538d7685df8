import { createTenantBox, type Keyring } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { createLookout, type Logger } from '@millrace/kernel';
import { createFeedbackDesk, createPredictionRecorder, sweepRecordings } from '@millrace/registry';
import { createFeedbackRoutes } from './feedback-routes.ts';

export interface FeedbackOptions {
  database: Database;
  keyring: Keyring;
  /** what the recorded predictions of one tenant may take in the database */
  mostRecordedBytes?: number | undefined;
  logger: Logger;
}

const gibibyte = 1024 ** 3;
const sweepEveryMs = 600_000;

/** What was answered is recorded, and scored when its truth is sent: the route, and what keeps and removes recordings in this process. */
export function createFeedback({ database, keyring, mostRecordedBytes = gibibyte, logger }: FeedbackOptions) {
  const box = createTenantBox(keyring);
  const recorder = createPredictionRecorder({ database, box, logger });
  let timer: NodeJS.Timeout | undefined;
  /** One sweep after the other, however long it takes. */
  const sweeper = createLookout({
    look: () => sweepRecordings({ database, mostBytes: mostRecordedBytes, logger }).then(() => false),
    failed: (error) => logger.warn({ error: String(error) }, 'recorded predictions of long ago were not removed; tried again later'),
  });

  return {
    recorder,
    routes: createFeedbackRoutes({ desk: createFeedbackDesk({ database, box }), recorder }),

    start(): void {
      recorder.start();
      timer = setInterval(sweeper.ask, sweepEveryMs);
      timer.unref();
    },

    async close(): Promise<void> {
      clearInterval(timer);
      await recorder.close();
    },
  };
}
