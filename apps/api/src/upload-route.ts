import type { Auth } from '@millrace/auth';
import { type Datasets, type ReceiveUploadOutcome, uploadRefusalCodes } from '@millrace/datasets';
import { isId } from '@millrace/kernel';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccessFeed } from './access-feed.ts';
import type { Credentials, Presented } from './credentials.ts';
import { auditResultOf, httpRefusal, type HttpRefusal } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { originOf, type RequestContext, type RequestOrigin } from './request-context.ts';

export interface UploadRouteOptions {
  datasets: Datasets;
  trail: Auth['trail'];
  metrics: Metrics;
  access: AccessFeed;
  maxBytes: number;
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

/** So long the rest of a refused file is read and thrown away, so that its sender gets to see the answer. */
const lingerMs = 2_000;

/** `PUT /uploads/:id`: the raw bytes of a file, streamed to the store. Never held in memory, never parsed here. */
export async function serveUploads(app: FastifyInstance, { datasets, trail, metrics, access, maxBytes, credentials, makeContext }: UploadRouteOptions): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

    scope.put<{ Params: { id: string } }>('/uploads/:id', async (request, reply) => {
      const origin = originOf(request);
      const contextOf = async (): Promise<RequestContext> => makeContext(credentials.ofRequest(request), origin);
      const { signedIn } = await contextOf().catch((error: unknown) => {
        letGo(request, reply);
        throw error;
      });
      const { id: subject } = request.params;
      const aborted = new AbortController();
      const onClose = (): void => aborted.abort();
      request.raw.socket.once('close', onClose);
      const unwatch = access.watch(signedIn, onClose);
      const announced = Number(request.headers['content-length']);
      try {
        const receive = (): Promise<ReceiveUploadOutcome> =>
          datasets.receiveUpload(signedIn, subject, request.raw, {
            maxBytes,
            ...(Number.isSafeInteger(announced) ? { contentLength: announced } : {}),
            signal: aborted.signal,
          });
        const asked = { actor: signedIn, origin, action: 'upload.receive', ...(isId('upload', subject) ? { subject } : {}) };
        const outcome = await trail.attempt(asked, receive, {
          ofValue: ({ type }) => (type === 'complete' ? 'ok' : uploadRefusalCodes[type]),
          ofError: auditResultOf,
        });
        if (outcome.type !== 'complete') {
          const refusal = refusalOf(outcome, request.id);
          letGo(request, reply);
          return await reply.code(refusal.status).headers(refusal.headers).send(refusal.body);
        }
        const { id, status, sizeBytes, sha256 } = outcome.upload;
        metrics.upload(Number(sizeBytes));
        return await reply.send({ upload: { id, status, sizeBytes: Number(sizeBytes), sha256 } });
      } catch (error) {
        letGo(request, reply);
        throw error;
      } finally {
        unwatch();
        request.raw.socket.off('close', onClose);
      }
    });
  });
}

/** The answer is the last on this connection; what is still coming is not kept. */
function letGo(request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.readableEnded) return;
  void reply.header('connection', 'close');
  request.raw.resume();
  reply.raw.once('finish', () => setTimeout(() => request.raw.socket.destroy(), lingerMs).unref());
}

function refusalOf(outcome: Exclude<ReceiveUploadOutcome, { type: 'complete' }>, requestId: string): HttpRefusal {
  const code = uploadRefusalCodes[outcome.type];
  const refuse = (status: number, message: string, remedy: string, field = 'file'): HttpRefusal =>
    httpRefusal(status, { code, message, field, remedy }, requestId);
  switch (outcome.type) {
    case 'upload-not-found':
      return refuse(404, 'There is no such upload.', 'Announce the file with beginUpload and PUT it to the address in its answer.', 'id');
    case 'already-complete':
      return refuse(409, 'The file of this upload has arrived already.', 'Begin a new upload for another file.');
    case 'too-large':
      return refuse(413, outcome.message, outcome.remedy);
    case 'incomplete':
      return refuse(400, `The transfer broke off after ${outcome.receivedBytes} bytes.`, outcome.remedy);
    case 'digest-mismatch':
      return refuse(422, 'The file is not the one whose digest was announced.', outcome.remedy);
    case 'quota-exceeded':
      return refuse(402, outcome.message, outcome.remedy);
  }
}
