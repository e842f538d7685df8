import { type Auth, createTenantBox, type Keyring } from '@millrace/auth';
import type { Database } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import { createPredictionQueue, defaultQueueLimits, type QueueLimits } from '@millrace/registry';
import type { createAnswerOnce } from '../answer-once.ts';
import type { PictureLook } from '../picture-look.ts';
import type { Predictor } from '../predictor.ts';
import { createAsyncRoutes } from './async-routes.ts';
import { createPredictionNews } from './prediction-news.ts';
import { createPredictionRunner, type PredictionRunnerOptions } from './prediction-runner.ts';

export interface AsyncOptions {
  /** predictions that this process makes at a time; 0 leaves them to others */
  slots?: number;
  leaseMs?: number;
  /** what has ended is kept for so long */
  keptHours?: number;
  limits?: Partial<QueueLimits>;
}

export interface AsyncPredictionsOptions {
  database: Database;
  keyring: Keyring;
  auth: Auth;
  predictor: Predictor;
  createPredictor: PredictionRunnerOptions['createPredictor'];
  lookAtPictures: PictureLook;
  answerOnce: ReturnType<typeof createAnswerOnce>;
  settings: AsyncOptions;
  logger: Logger;
}

/** Predictions that are accepted now and made later: the routes, and what makes them in this process. */
export function createAsyncPredictions({ database, keyring, auth, predictor, createPredictor, lookAtPictures, answerOnce, settings, logger }: AsyncPredictionsOptions) {
  const { slots = 4, leaseMs = 30_000, keptHours = 24 } = settings;
  const queue = createPredictionQueue({ database, box: createTenantBox(keyring), limits: { ...defaultQueueLimits, ...settings.limits }, leaseMs });
  const news = createPredictionNews({ database });
  const runner = createPredictionRunner({ queue, news, auth, createPredictor, slots, leaseMs, keptHours, logger });
  return {
    routes: createAsyncRoutes({ queue, news, predictor, lookAtPictures, answerOnce }),

    async start(): Promise<void> {
      await news.start();
      runner.start();
    },

    /** Callers that wait for the end of a prediction are answered with what there is. */
    letGo: (): void => news.close(),

    close: (): Promise<void> => runner.close(),
  };
}
