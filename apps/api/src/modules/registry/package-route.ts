import { Readable } from 'node:stream';
import { DomainError, isId, type Logger } from '@millrace/kernel';
import type { Registry } from '@millrace/registry';
import type { FastifyInstance } from 'fastify';
import type { AccessFeed } from '../../access-feed.ts';
import type { Credentials, Presented } from '../../credentials.ts';
import { originOf, type RequestContext, type RequestOrigin } from '../../request-context.ts';

export interface PackageRouteOptions {
  registry: Pick<Registry, 'exportPackage' | 'exportLayers'>;
  access: AccessFeed;
  logger: Logger;
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

/**
 * `GET /models/:model/versions/:version/package`, by the name or id of the model: the signed package of a version as one tar, read as fast as it is taken.
 * `GET …/layers`: the version as a TensorFlow.js layers model, `model.json` and `weights.bin` in a tar.
 */
export function servePackages(app: FastifyInstance, { registry, access, logger, credentials, makeContext }: PackageRouteOptions): void {
  for (const [path, give] of [['package', registry.exportPackage], ['layers', registry.exportLayers]] as const) {
    app.get<{ Params: { model: string; version: string } }>(`/models/:model/versions/:version/${path}`, { exposeHeadRoute: false }, async (request, reply) => {
      const { signedIn } = await makeContext(credentials.ofDownload(request), originOf(request));
      const { model, version } = request.params;
      const versionNumber = /^[1-9][0-9]{0,8}$/.test(version) ? Number(version) : 0;
      const exported = await give(signedIn, { ...(isId('model', model) ? { modelId: model } : { modelName: model }), versionNumber });
      if (!exported) throw new DomainError('NOT_FOUND', 'There is no such version of a model.', { remedy: 'Check the name or id of the model, and the number of the version.' });
      const content = Readable.from(exported.content, { objectMode: false });
      content.once('error', (error) => logger.warn({ requestId: request.id, error: String(error) }, 'a package broke off'));
      content.once('close', access.watch(signedIn, () => content.destroy(new Error('the reader has lost the right to it'))));
      return reply
        .headers({
          'content-type': 'application/x-tar', 'content-length': exported.sizeBytes,
          'content-disposition': `attachment; filename="${exported.filename}"`, 'cache-control': 'no-store',
        })
        .send(content);
    });
  }
}
