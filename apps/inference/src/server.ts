import { isIP } from 'node:net';
import { createAuth, createTenantKeyring, type MasterKeys } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { type Clock, createTrustedProxies, type Logger, millraceVersion, type Supervision, systemClock, type TrustedProxies } from '@millrace/kernel';
import { createModelThreads, createPictureDesk, type PictureDesk } from '@millrace/packaging';
import { createIdempotency, createMeter, createQuota, createRequestLimiter, createUsageJournal } from '@millrace/quota';
import { createRegistry, createTrafficRecorder } from '@millrace/registry';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { createAnswerOnce } from './answer-once.ts';
import { type AsyncOptions, createAsyncPredictions } from './async/async-predictions.ts';
import { createCallers } from './callers.ts';
import { EndpointDirectory } from './endpoint-directory.ts';
import { createExplainer } from './explainer.ts';
import { createExplanationBases } from './explanation-bases.ts';
import { createFeedback } from './feedback/feedback.ts';
import { createHttpServer, createRequestIds } from './http-server.ts';
import { createLanes } from './lanes.ts';
import { createMetrics } from './metrics.ts';
import { ModelCache } from './model-cache.ts';
import { createOverloadDoor } from './overload-door.ts';
import { createPictureLook } from './picture-look.ts';
import { createPredictor } from './predictor.ts';
import { createRoutes } from './routes.ts';
import { createShadow } from './shadow.ts';

export interface InferenceOptions {
  /** 0 takes any free port */
  port: number;
  host?: string;
  /** as role millrace_app */
  appDatabaseUrl: string;
  /** as role millrace_system */
  systemDatabaseUrl: string;
  storageDirectory: string;
  /** of this machine alone: for artefacts that are decrypted for as long as they are in use */
  scratchDirectory: string;
  masterKeys: MasterKeys;
  /** where usage waits for the database; must outlive the process */
  journalDirectory: string;
  tokenSecret: string;
  /** signed tokens until lately: what they signed stays good until it ends */
  retiredTokenSecrets?: readonly string[];
  keyPepper: string;
  /** peppers of before: see `createAuth` */
  retiredKeyPeppers?: readonly string[];
  logger: Logger;
  version?: string;
  modelCacheBytes?: number;
  /** for models that take long; all run in the server's own if left out */
  modelThreads?: number;
  maxBodyBytes?: number;
  /** predictions under way at a time; further ones get 503 */
  maxInFlight?: number;
  /** how long a prediction waits to be counted against limits before it gets 503; 1.5 s if left out */
  meteringPatienceMs?: number | undefined;
  /** between "not ready" and closing, in milliseconds, so that a balancer can look elsewhere first */
  drainMs?: number;
  /** of predictions that are accepted now and made later */
  async?: AsyncOptions;
  /** what the recorded predictions of one tenant may take in the database; 1 GiB if left out */
  mostRecordedBytes?: number;
  /** how long a closing server waits for silent connections to ask once more, which then ends them; not at all if left out */
  handoverMs?: number;
  /** where its connections come from, beside the address that it listens on */
  supervision?: Supervision | null;
  /** foreign pages that may call it; none if left out */
  corsOrigins?: readonly string[];
  /** whose X-Forwarded-For counts; nobody's if left out */
  trustedProxies?: TrustedProxies;
  /** by which keys expire */
  clock?: Clock;
  /** where pictures are decoded, closed with the server; one of its own if left out */
  pictures?: PictureDesk;
}

export interface RunningInference {
  url: string;
  /**
   * Says "not ready", finishes what is under way, enters the last usage, and ends. May be called twice.
   * @param hasSuccessor whether whoever is told to connect anew finds another server: otherwise there is no handover
   */
  close(ending?: { hasSuccessor: boolean }): Promise<void>;
}

const mebibyte = 1024 ** 2;

/** Starts the data plane. Rejects when the database cannot be reached or the port is taken. */
export async function startInference(options: InferenceOptions): Promise<RunningInference> {
  const { logger, supervision, version = millraceVersion } = options;
  const database = createDatabase({ tenantUrl: options.appDatabaseUrl, systemUrl: options.systemDatabaseUrl, logger });
  const keyring = createTenantKeyring({ database, masterKeys: options.masterKeys, logger });
  const storage = createSealedStore({ inner: createFileStore({ root: options.storageDirectory }), keyring, scratchDirectory: options.scratchDirectory });
  const { tokenSecret, retiredTokenSecrets = [], keyPepper, retiredKeyPeppers = [], clock = systemClock } = options;
  const auth = createAuth({ database, tokenSecret, retiredTokenSecrets, keyPepper, retiredKeyPeppers, logger, clock });
  const registry = createRegistry({ database, storage, keyring });
  const journal = createUsageJournal({ directory: options.journalDirectory, database, logger });
  const { pictures = createPictureDesk() } = options;
  const lookAtPictures = createPictureLook(pictures);
  const threads = options.modelThreads ? createModelThreads(options.modelThreads) : null;
  const models = new ModelCache({ registry, maxBytes: options.modelCacheBytes ?? 1024 * mebibyte, ...(threads && { threads }), logger, observe: { loaded: (isLoaded) => metrics.models.loaded(isLoaded), unloaded: (reason) => metrics.models.unloaded(reason) } });
  const batcher = createLanes({ observe: { call: (rows) => metrics.batches.call(rows), shed: (reason) => metrics.batches.shed(reason) } });
  const traffic = createTrafficRecorder({ database, logger });
  const directory = new EndpointDirectory({ registry, database, models, traffic, logger });
  const shadow = createShadow({ models, traffic, turns: batcher, observe: { shown: () => metrics.shadow.shown(), dropped: () => metrics.shadow.dropped() } });
  const metering = { database, logger, patienceMs: options.meteringPatienceMs };
  const meter = createMeter(metering);
  const limiter = createRequestLimiter(metering);
  const feedback = createFeedback({ database, keyring, mostRecordedBytes: options.mostRecordedBytes, logger });
  const predictorOptions = { directory, models, batcher, meter, traffic, shadow, lookAtPictures, recorder: feedback.recorder, maxInFlight: options.maxInFlight ?? 4096 };
  const predictor = createPredictor({ ...predictorOptions, journal });
  const explainer = createExplainer({ directory, models, bases: createExplanationBases({ registry, logger }), turns: batcher, journal, meter, lookAtPictures });
  const metrics = createMetrics(models, predictor, explainer, batcher);
  let state: 'open' | 'draining' = 'open';
  const answerOnce = createAnswerOnce({ idempotency: createIdempotency({ database }), logger });
  const asyncPredictions = createAsyncPredictions({
    database, keyring, auth, predictor, lookAtPictures, answerOnce, logger,
    createPredictor: (itsJournal) => createPredictor({ ...predictorOptions, journal: itsJournal }),
    settings: options.async ?? {},
  });

  const requestIdOf = createRequestIds();
  const door = createOverloadDoor({ isFull: batcher.isFull, metrics, idOf: requestIdOf });

  const routes = createRoutes({
    version,
    predictor,
    explainer,
    directory,
    models,
    metrics,
    callers: createCallers({ keys: auth.keys, quota: createQuota({ database }) }),
    answerOnce,
    more: [...asyncPredictions.routes, ...feedback.routes],
    door,
    isReady: () => state === 'open',
    gather: async () => (supervision ? supervision.gather() : []),
  });
  const http = createHttpServer({
    routes,
    metrics,
    logger,
    maxBodyBytes: options.maxBodyBytes ?? 8 * mebibyte,
    auth,
    limiter,
    corsOrigins: options.corsOrigins ?? [],
    trustedProxies: options.trustedProxies ?? createTrustedProxies(),
    isDraining: () => state === 'draining',
    requestIdOf,
    refusesAtDoor: (request, response) => state === 'open' && door.refuses(request, response),
  });

  async function closeDoor(hasSuccessor: boolean): Promise<void> {
    // A client that writes just as its connection is closed would lose a request: each is told with an answer first.
    if (options.handoverMs && hasSuccessor) await http.connections.gone(options.handoverMs);
    await http.close();
    await http.connections.gone();
  }

  let closing: Promise<void> | undefined;
  const close: RunningInference['close'] = ({ hasSuccessor } = { hasSuccessor: true }) => {
    closing ??= (async () => {
      state = 'draining';
      // Whoever is supervised has left the door to others already.
      if (options.drainMs && !(supervision && hasSuccessor)) await new Promise((resolve) => setTimeout(resolve, options.drainMs));
      supervision?.draining();
      asyncPredictions.letGo();
      await Promise.all([closeDoor(hasSuccessor), asyncPredictions.close()]);
      directory.stop();
      await shadow.close();
      await Promise.all([models.close(), pictures.close()]);
      await threads?.close();
      await Promise.all([meter.close(), limiter.close(), traffic.close(), feedback.close()]);
      await journal.close();
      await auth.trail.close();
      await database.close();
    })();
    return closing;
  };

  try {
    await auth.watchRevocations();
    await directory.start();
    await meter.start();
    limiter.start();
    await journal.start();
    traffic.start();
    feedback.start();
    await asyncPredictions.start();
    models.start();
    const host = options.host ?? '127.0.0.1';
    const port = await http.listen(options.port, host);
    const url = `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    if (supervision) {
      await directory.warm(await supervision.inheritance);
      await supervision.accept('inference', http.take);
      supervision.serving({ url, version, legacy: () => directory.inUse(), report: metrics.report });
    }
    return { url, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}
