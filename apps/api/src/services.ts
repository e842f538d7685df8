import { statfs } from 'node:fs/promises';
import { type Actor, type Auth, createTenantBox, type Keyring } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { createDatasets, type Datasets } from '@millrace/datasets';
import { createQuota, type Quota } from '@millrace/quota';
import {
  createEndpointWebhooks, createPredictionCare, createPredictionQueue, createRegistry, createRollouts, createWebhookRepeats, createWebhookSecrets, type EndpointWebhooks,
  type PredictionCare, type Registry, type Rollouts, type WebhookRepeats, type WebhookSecrets,
} from '@millrace/registry';
import type { ArtefactStore } from '@millrace/storage';
import { createTraining, type Training } from '@millrace/training';
import type { Logger } from 'pino';
import { createDatasetLook, type DatasetLook } from './modules/datasets/dataset-look.ts';
import { createPredictionRelay, type PredictionRelay } from './modules/registry/prediction-relay.ts';
import type { PlatformHealth } from './modules/tenants/platform-types.ts';
import type { RunFeed } from './modules/training/run-feed.ts';

/** The domain verbs that resolvers call. Each checks the actor's permission itself and owns its transaction. */
export interface Services extends DatasetLook {
  auth: Auth;
  quota: Quota;
  datasets: Datasets;
  training: Training;
  registry: Registry;
  rollouts: Rollouts;
  webhookSecrets: WebhookSecrets;
  webhookRepeats: WebhookRepeats;
  endpointWebhooks: EndpointWebhooks;
  /** of predictions that are made later */
  predictionCare: PredictionCare;
  runFeed: RunFeed;
  predictions: PredictionRelay;
  /** for operators */
  platformHealth(actor: Actor): Promise<PlatformHealth>;
  /** where an OpenID provider sends people back to */
  ssoRedirectUri(): string;
  /** where clients reach the inference server */
  publicInferenceUrl: string;
  /** of one file, in bytes */
  maxUploadBytes: number;
}

export interface ServicesOptions {
  database: Database;
  keyring: Keyring;
  storage: ArtefactStore;
  /** the folder that lies under it: what is free there is part of the platform's health */
  storageDirectory: string;
  auth: Auth;
  runFeed: RunFeed;
  /** where this server reaches the inference server */
  inferenceUrl: string;
  publicInferenceUrl: string;
  ssoRedirectUri(): string;
  maxUploadBytes: number;
  version: string;
  logger: Logger;
}

export function createServices({ database, keyring, storage, storageDirectory, auth, runFeed, inferenceUrl, publicInferenceUrl, ssoRedirectUri, maxUploadBytes, version, logger }: ServicesOptions): Services {
  const quota = createQuota({ database });
  const datasets = createDatasets({ database, storage, quota });
  const box = createTenantBox(keyring);
  return {
    auth,
    quota,
    datasets,
    ...createDatasetLook({ database, datasets }),
    training: createTraining({ database, quota, datasets, storage }),
    registry: createRegistry({ database, storage, keyring }),
    rollouts: createRollouts({ database, logger }),
    webhookSecrets: createWebhookSecrets({ database, box }),
    webhookRepeats: createWebhookRepeats({ database }),
    endpointWebhooks: createEndpointWebhooks({ database, box }),
    predictionCare: createPredictionCare({ database, queue: createPredictionQueue({ database, box }) }),
    runFeed,
    predictions: createPredictionRelay(inferenceUrl, auth.vouchForAddress),
    async platformHealth(actor) {
      const health = await auth.platform.inspectDatabase(actor);
      const disk = await statfs(storageDirectory, { bigint: true }).catch(() => null);
      return {
        ...health,
        storage: disk && { freeBytes: disk.bavail * disk.bsize, totalBytes: disk.blocks * disk.bsize },
        version,
        nodeVersion: process.versions.node,
      };
    },
    maxUploadBytes,
    ssoRedirectUri,
    publicInferenceUrl,
  };
}
