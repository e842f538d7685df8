import type { Actor, Auth } from '@millrace/auth';
import type { ContactStrip, Datasets, SampleRow, TargetChoice, TargetReport } from '@millrace/datasets';
import type { Quota } from '@millrace/quota';
import type { EndpointWebhooks, PredictionCare, Registry, Rollouts, WebhookRepeats, WebhookSecrets } from '@millrace/registry';
import type { Training } from '@millrace/training';
import type { PredictionRelay } from './modules/registry/prediction-relay.ts';
import type { PlatformHealth } from './modules/tenants/platform-types.ts';
import type { RunFeed } from './modules/training/run-feed.ts';

/** The domain verbs that resolvers call. Each checks the actor's permission itself and owns its transaction. */
export interface Services {
  auth: Auth;
  quota: Quota;
  datasets: Datasets;
  /** rows of a data set version, spread evenly over it */
  sampleRows(actor: Actor, datasetVersionId: string, count: number): Promise<SampleRow[]>;
  /** a few small pictures of each class of a data set version; none where it has no pictures */
  contactSheet(actor: Actor, datasetVersionId: string, perClass: number): Promise<ContactStrip[]>;
  /** how the columns of a data set version go with a target */
  reportOnTarget(actor: Actor, datasetVersionId: string, target: TargetChoice): Promise<TargetReport>;
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
