import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type Actor, type Auth, requirePermission } from '@millrace/auth';
import { DomainError, type Logger } from '@millrace/kernel';
import type { ArtefactStore } from '@millrace/storage';
import type { FastifyInstance } from 'fastify';
import type { AccessFeed } from '../../access-feed.ts';
import type { Credentials, Presented } from '../../credentials.ts';
import { originOf, type RequestContext, type RequestOrigin } from '../../request-context.ts';
import { createTenantArchive, type TenantArchive } from './tenant-archive.ts';

export interface ExportRouteOptions {
  auth: Auth;
  storage: ArtefactStore;
  access: AccessFeed;
  logger: Logger;
  scratchDirectory: string;
  version: string;
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

/** of one process */
const mostAtOnce = 4;
/** A reader that takes nothing for so long has gone. */
const stalledAfterMs = 120_000;

/** `GET /export`: everything of the caller's tenant as a tar. Counts as an export only if the reader took all of it. */
export function serveExport(app: FastifyInstance, { auth, storage, access, logger, scratchDirectory, version, credentials, makeContext }: ExportRouteOptions): void {
  const underWay = new Set<string>();

  app.route({
    method: 'GET',
    url: '/export',
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const { signedIn } = await makeContext(credentials.ofDownload(request), originOf(request));
      requirePermission(signedIn, 'tenant:write');
      const { tenantId } = signedIn;
      if (underWay.has(tenantId) || underWay.size >= mostAtOnce) throw tooMany();
      underWay.add(tenantId);
      try {
        const source = await auth.tenants.beginExport(signedIn);
        const archive = createTenantArchive({ source, storage, scratchDirectory, version });
        void reply.hijack();
        reply.raw.writeHead(200, {
          ...(reply.getHeaders() as Record<string, string>),
          'content-type': 'application/x-tar',
          'content-disposition': `attachment; filename="${source.tenant.slug}-export.tar"`,
          'cache-control': 'no-store',
        });
        await send(archive, reply.raw, signedIn);
        // The end of the answer waits for this: whoever has it may count on the export.
        await source.finish(archive.summary());
        reply.raw.end();
      } catch (error) {
        if (!reply.sent) throw error;
        logger.warn({ tenantId, requestId: request.id, error: String(error) }, 'an export broke off');
        reply.raw.destroy();
      } finally {
        underWay.delete(tenantId);
      }
    },
  });

  /** Resolves when the last byte is out of this process. Rejects when the reader goes, or loses the right to read. */
  async function send(archive: TenantArchive, response: ServerResponse, actor: Actor): Promise<void> {
    const closed = new AbortController();
    const onClose = (): void => {
      closed.abort();
      archive.abort(new Error('the reader has gone'));
    };
    response.once('close', onClose);
    response.setTimeout(stalledAfterMs, () => response.destroy());
    const unwatch = access.watch(actor, () => archive.abort(new Error('the reader has lost the right to it')));
    try {
      let hasRoom = true;
      let lastSent: Promise<void> = Promise.resolve();
      for await (const chunk of archive.chunks) {
        if (response.destroyed) throw new Error('the reader has gone');
        lastSent = new Promise<void>((resolve, reject) => {
          hasRoom = response.write(chunk, (error) => (error ? reject(error) : resolve()));
        });
        lastSent.catch(() => undefined); // of all but the last chunk the loop takes care
        if (!hasRoom) await once(response, 'drain', { signal: closed.signal });
      }
      await lastSent;
    } finally {
      response.off('close', onClose);
      unwatch();
    }
  }
}

function tooMany(): DomainError {
  return new DomainError('TOO_MANY_REQUESTS', 'An export of your tenant is under way, or too many of others are.', {
    remedy: 'Wait for it to end, then try again.',
  });
}
