import { mayCall } from '@millrace/auth';
import { tensorMetadata } from '@millrace/packaging';
import type { createAnswerOnce } from './answer-once.ts';
import { describeApi } from './api-document.ts';
import { jsonLengthHeader } from './binary-body.ts';
import type { Callers } from './callers.ts';
import { renderDocs } from './docs-page.ts';
import type { EndpointDirectory } from './endpoint-directory.ts';
import type { AnswerBody, Exchange } from './exchange.ts';
import type { Explainer } from './explainer.ts';
import type { Metrics } from './metrics.ts';
import type { ModelCache } from './model-cache.ts';
import { operations } from './openapi.ts';
import type { OverloadDoor, RefusedJob } from './overload-door.ts';
import type { PredictionCall, Predictor } from './predictor.ts';
import { type ReadExplainRequest, readInstancesToExplain, readTensorsToExplain } from './protocols/explanations.ts';
import { readMlflow } from './protocols/mlflow.ts';
import { readOpenInference } from './protocols/open-inference.ts';
import type { ReadRequest } from './protocols/protocol.ts';
import { readModelName, readSimplePredict } from './protocols/simple-predict.ts';
import { readTfClassify, readTfRegress } from './protocols/tf-examples.ts';
import { describeForTf } from './protocols/tf-metadata.ts';
import { readTfServing } from './protocols/tf-serving.ts';
import { tellLimits } from './rate-headers.ts';
import { modelNotFound, refusalBody, refusedAsMissing, type RequestError } from './request-error.ts';
import type { Route } from './route.ts';
import { pinnedVersion, versionNumber } from './version-number.ts';

export interface RouteOptions {
  version: string;
  predictor: Predictor;
  explainer: Explainer;
  directory: EndpointDirectory;
  models: ModelCache;
  metrics: Metrics;
  callers: Callers;
  answerOnce: ReturnType<typeof createAnswerOnce>;
  door: Pick<OverloadDoor, 'remember'>;
  /** further ones, which have their own rooms */
  more: readonly Route[];
  /** whether this server takes requests: false while it shuts down */
  isReady(): boolean;
  /** the metrics of all processes that serve this port; of none if there is no other */
  gather(): Promise<unknown[]>;
}

/** Every route of the data plane. Each stands in the OpenAPI document, by its operation. */
export function createRoutes(options: RouteOptions): Route[] {
  const { version, predictor, explainer, directory, models, metrics, callers, answerOnce, door, more, isReady, gather } = options;
  const api = describeApi(version);
  const docs = renderDocs(api);

  async function predict(exchange: Exchange, read: ReadRequest, model: string, version?: number | undefined): Promise<AnswerBody> {
    const { headers, body } = await answerOnce(exchange, exchange.actor!, async (predictionId) => {
      const onFull = (job: RefusedJob, refusal: RequestError): void => {
        if (isOnlyFor(exchange, model)) door.remember(exchange.request, exchange.route, job, refusal, refusalBody(exchange.url, refusal));
      };
      const answer = await predictor.predict({ ...callOf(exchange, model, version, predictionId), onFull }, read);
      metrics.predicted(answer.rows);
      if (answer.limits.length) tellLimits(answer.limits, exchange);
      const headers: Record<string, string> = {
        'x-millrace-prediction-id': answer.predictionId,
        'x-millrace-model-version': String(answer.versionNumber),
        'x-millrace-variant': answer.variant === 'STABLE' ? 'stable' : 'canary',
        'x-millrace-cost-units': String(answer.rows),
        'x-millrace-overhead-ms': answer.overheadMs.toFixed(3),
      };
      if (answer.warnings.length) headers['x-millrace-warnings'] = warningsHeader(answer.warnings);
      if (answer.payload.jsonLength !== undefined) headers[jsonLengthHeader] = String(answer.payload.jsonLength);
      return { headers, body: answer.payload.body };
    });
    return kept(exchange, headers, body);
  }

  /** Whether each request of this address and credential is for the same model, whatever its body says. */
  function isOnlyFor({ actor, params }: Exchange, model: string): boolean {
    if (params['model'] !== undefined) return true;
    if (actor!.type === 'key' && actor!.models.length === 1) return true;
    const names = directory.names(actor!.tenantId);
    return !(names instanceof Promise) && names.length === 1 && names[0] === model;
  }

  /** The version that a label of TensorFlow Serving, an alias here, names. @throws RequestError 404 */
  async function labelled({ params, actor: caller }: Exchange): Promise<[name: string, versionNumber: number]> {
    const { model = '', label = '' } = params;
    const actor = caller!;
    if (!mayCall(actor, model)) throw refusedAsMissing(model, { label });
    const number = await directory.labelled(actor.tenantId, model, label);
    if (number === null) throw modelNotFound(model, { label });
    return [model, number];
  }

  const predicting = (read: ReadRequest): Route['handle'] => (exchange) => predict(exchange, read, ...target(exchange));
  const predictingLabelled = (read: ReadRequest): Route['handle'] => async (exchange) => predict(exchange, read, ...(await labelled(exchange)));
  const describe = async (exchange: Exchange) => predictor.describe(exchange.actor!, ...(exchange.params['label'] === undefined ? target(exchange) : await labelled(exchange)));

  const explaining = (read: ReadExplainRequest): Route['handle'] => async (exchange) => {
    const [model, version] = target(exchange);
    const { headers, body } = await answerOnce(exchange, exchange.actor!, async (predictionId) => {
      const answer = await explainer.explain(callOf(exchange, model, version, predictionId), read);
      if (answer.limits.length) tellLimits(answer.limits, exchange);
      return {
        headers: {
          'x-millrace-prediction-id': answer.predictionId,
          'x-millrace-model-version': String(answer.versionNumber),
          'x-millrace-cost-units': String(answer.units),
          'x-millrace-overhead-ms': answer.overheadMs.toFixed(3),
          ...(answer.warnings.length && { 'x-millrace-warnings': warningsHeader(answer.warnings) }),
        },
        body: answer.payload,
      };
    });
    return kept(exchange, headers, body);
  };

  async function metadata(exchange: Exchange) {
    const actor = exchange.actor!;
    const served = await predictor.describe(actor, ...target(exchange));
    const versions = await directory.versions(actor.tenantId, served.endpoint.name);
    const { signature } = served.version;
    const { forecast, anomaly, survival, output } = signature;
    // What a forecast's steps mean, to which horizon something survives, from which score on a row is reported, and what share of truths lies between the ends: without it nobody could read the answers.
    const parameters = forecast ? { forecast } : anomaly ? { anomaly } : survival ? { survival } : output.type === 'number' && output.interval ? { interval: output.interval } : null;
    return {
      name: served.endpoint.name,
      versions: versions.map(String),
      platform: 'onnxruntime_onnx',
      ...tensorMetadata(signature),
      ...(parameters && { parameters }),
    };
  }

  async function readiness(exchange: Exchange) {
    const served = await predictor.describe(exchange.actor!, ...target(exchange));
    const name = served.endpoint.name;
    try {
      (await models.hold(served.version, served.endpoint)).release();
      return { name, ready: true };
    } catch {
      exchange.status = 503;
      exchange.setHeader('retry-after', '5');
      return { name, ready: false };
    }
  }

  /** `name` and `ready` are what KServe's clients look for on this route. */
  async function tfStatus(exchange: Exchange) {
    const served = await describe(exchange);
    const version = String(served.version.number);
    const { name } = served.endpoint;
    try {
      (await models.hold(served.version, served.endpoint)).release();
      // Who shares the traffic is loaded, or it would have no share.
      const { label, version: asked } = exchange.params;
      const sharing = label === undefined && asked === undefined ? served.shares.filter(({ percent }) => percent > 0).map((share) => String(share.version.number)) : [];
      const status = { error_code: 'OK', error_message: '' };
      return { model_version_status: [version, ...sharing].map((each) => ({ version: each, state: 'AVAILABLE', status })), name, ready: true };
    } catch {
      const status = { error_code: 'UNAVAILABLE', error_message: 'The model cannot be loaded.' };
      return { model_version_status: [{ version, state: 'END', status }], name, ready: false };
    }
  }

  async function tfMetadata(exchange: Exchange) {
    const { endpoint, version } = await describe(exchange);
    return describeForTf(endpoint.name, version.number, version.signature);
  }

  const readyOrNot = (exchange: Exchange): void => {
    if (!isReady()) exchange.status = 503;
  };
  const ping: Route['handle'] = (exchange) => {
    readyOrNot(exchange);
    return text(exchange, plainText, '\n');
  };

  return [
    { operation: operations.live, access: 'public', handle: () => ({ live: true }) },
    {
      operation: operations.ready,
      access: 'public',
      handle: (exchange) => {
        readyOrNot(exchange);
        return { ready: isReady() };
      },
    },
    { operation: operations.ping, access: 'public', handle: ping },
    { operation: operations.health, access: 'public', handle: ping },
    { operation: operations.version, access: 'public', handle: (exchange) => text(exchange, plainText, version) },
    { operation: operations.alive, access: 'public', handle: () => ({ status: 'alive' }) },
    { operation: operations.server, access: 'public', handle: () => ({ name: 'millrace', version, extensions: ['binary_tensor_data', 'explain'] }) },
    { operation: operations.metadata, access: 'describe', handle: metadata },
    { operation: operations.versionMetadata, access: 'describe', handle: metadata },
    { operation: operations.modelReady, access: 'describe', handle: readiness },
    { operation: operations.versionReady, access: 'describe', handle: readiness },
    { operation: operations.infer, access: 'predict', handle: predicting(readOpenInference) },
    { operation: operations.versionInfer, access: 'predict', handle: predicting(readOpenInference) },
    { operation: operations.tfPredict, access: 'predict', handle: predicting(readTfServing) },
    { operation: operations.tfVersionPredict, access: 'predict', handle: predicting(readTfServing) },
    { operation: operations.tfLabelPredict, access: 'predict', handle: predictingLabelled(readTfServing) },
    { operation: operations.tfClassify, access: 'predict', handle: predicting(readTfClassify) },
    { operation: operations.tfVersionClassify, access: 'predict', handle: predicting(readTfClassify) },
    { operation: operations.tfLabelClassify, access: 'predict', handle: predictingLabelled(readTfClassify) },
    { operation: operations.tfRegress, access: 'predict', handle: predicting(readTfRegress) },
    { operation: operations.tfVersionRegress, access: 'predict', handle: predicting(readTfRegress) },
    { operation: operations.tfLabelRegress, access: 'predict', handle: predictingLabelled(readTfRegress) },
    { operation: operations.explain, access: 'predict', handle: explaining(readTensorsToExplain) },
    { operation: operations.versionExplain, access: 'predict', handle: explaining(readTensorsToExplain) },
    { operation: operations.tfExplain, access: 'predict', handle: explaining(readInstancesToExplain) },
    { operation: operations.tfVersionExplain, access: 'predict', handle: explaining(readInstancesToExplain) },
    { operation: operations.tfStatus, access: 'describe', handle: tfStatus },
    { operation: operations.tfVersionStatus, access: 'describe', handle: tfStatus },
    { operation: operations.tfLabelStatus, access: 'describe', handle: tfStatus },
    { operation: operations.tfMetadata, access: 'describe', handle: tfMetadata },
    { operation: operations.tfVersionMetadata, access: 'describe', handle: tfMetadata },
    { operation: operations.tfLabelMetadata, access: 'describe', handle: tfMetadata },
    { operation: operations.invocations, access: 'predict', handle: predicting(readMlflow) },
    {
      operation: operations.onlyInvocations,
      access: 'predict',
      handle: async (exchange) => predict(exchange, readMlflow, await predictor.onlyEndpoint(exchange.actor!)),
    },
    {
      operation: operations.predict,
      access: 'predict',
      handle(exchange) {
        const model = readModelName(exchange.body.value);
        return model === undefined ? predictor.onlyEndpoint(exchange.actor!).then((only) => predict(exchange, readSimplePredict, only)) : predict(exchange, readSimplePredict, model);
      },
    },
    ...more,
    { operation: operations.key, access: 'signed-in', isUncounted: true, handle: (exchange) => callers.describe(exchange.actor!) },
    {
      operation: operations.metrics,
      access: 'public',
      handle: async (exchange) => text(exchange, metrics.contentType, await metrics.render(await gather())),
    },
    { operation: operations.openapi, access: 'public', handle: () => api },
    {
      operation: operations.docs,
      access: 'public',
      handle: (exchange) =>
        text(exchange.setHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"), 'text/html; charset=utf-8', docs),
    },
  ];
}

const plainText = 'text/plain; charset=utf-8';

/** A text of that type, to be answered. */
function text(exchange: Exchange, type: string, body: string): string {
  exchange.setHeader('content-type', type);
  return body;
}

/** An answer as it may have been kept for its Idempotency-Key. */
function kept(exchange: Exchange, headers: Readonly<Record<string, string>>, body: string | Buffer): AnswerBody {
  exchange.setHeaders(headers).setHeader('content-type', typeof body === 'string' ? 'application/json; charset=utf-8' : 'application/octet-stream');
  return body;
}

function target({ params: { model = '', version } }: Exchange): [name: string, versionNumber: number | undefined] {
  return [model, versionNumber({ model, version })];
}

/** What predicting and explaining are asked with. */
function callOf(exchange: Exchange, endpoint: string, version: number | undefined, predictionId: string | undefined): PredictionCall {
  return {
    actor: exchange.actor!,
    endpoint,
    versionNumber: version ?? pinnedVersion(exchange, endpoint),
    body: exchange.body,
    startedAt: exchange.startedAt,
    predictionId,
    isGone: () => exchange.isGone,
  };
}

/** What the model took but had not seen in training: `code;feature`, percent-encoded, at most eight. */
function warningsHeader(warnings: readonly { code: string; field: string }[]): string {
  const shown = new Set(warnings.map(({ code, field }) => `${code};${encodeURIComponent(field)}`));
  return [...shown].slice(0, 8).join(', ');
}
