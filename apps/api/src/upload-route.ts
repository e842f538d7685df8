import type { Actor } from '@millrace/auth';
import type { Datasets, ReceiveUploadOutcome } from '@millrace/datasets';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Credentials, Presented } from './credentials.ts';
import { httpRefusal, type HttpRefusal } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { originOf, type RequestContext, type RequestOrigin } from './request-context.ts';

export interface UploadRouteOptions {
  datasets: Datasets;
  metrics: Metrics;
  maxBytes: number;
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

/** So long the rest of a refused file is read and thrown away, so that its sender gets to see the answer. */
const lingerMs = 2_000;

/** `PUT /uploads/:id`: the raw bytes of a file, streamed to the store. Never held in memory, never parsed here. */
export async function serveUploads(app: FastifyInstance, { datasets, metrics, maxBytes, credentials, makeContext }: UploadRouteOptions): Promise<void> {
  const actorOf = async (request: FastifyRequest): Promise<Actor> => (await makeContext(credentials.ofRequest(request), originOf(request))).signedIn;

  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

    scope.put<{ Params: { id: string } }>('/uploads/:id', async (request, reply) => {
      const signedIn = await actorOf(request).catch((error: unknown) => {
        letGo(request, reply);
        throw error;
      });
      const aborted = new AbortController();
      const onClose = (): void => aborted.abort();
      request.raw.socket.once('close', onClose);
      const announced = Number(request.headers['content-length']);
      try {
        const outcome = await datasets.receiveUpload(signedIn, request.params.id, request.raw, {
          maxBytes,
          ...(Number.isSafeInteger(announced) ? { contentLength: announced } : {}),
          signal: aborted.signal,
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
  const refuse = (status: number, code: string, message: string, remedy: string): HttpRefusal =>
    httpRefusal(status, { code, message, field: 'file', remedy }, requestId);
  switch (outcome.type) {
    case 'upload-not-found':
      return httpRefusal(
        404,
        { code: 'upload_not_found', message: 'There is no such upload.', field: 'id', remedy: 'Announce the file with beginUpload and PUT it to the address in its answer.' },
        requestId,
      );
    case 'already-complete':
      return refuse(409, 'upload_already_complete', 'The file of this upload has arrived already.', 'Begin a new upload for another file.');
    case 'too-large':
      return refuse(413, 'file_too_large', `The file is larger than ${outcome.limitBytes} bytes.`, outcome.remedy);
    case 'incomplete':
      return refuse(400, 'upload_incomplete', `The transfer broke off after ${outcome.receivedBytes} bytes.`, outcome.remedy);
    case 'digest-mismatch':
      return refuse(422, 'digest_mismatch', 'The file is not the one whose digest was announced.', outcome.remedy);
    case 'quota-exceeded':
      return refuse(402, 'quota_exceeded', outcome.message, outcome.remedy);
  }
}
