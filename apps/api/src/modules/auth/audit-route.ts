import { Readable } from 'node:stream';
import { type Auth, type TrailLine } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';
import type { FastifyInstance } from 'fastify';
import type { AccessFeed } from '../../access-feed.ts';
import type { ServePage } from '../../console-routes.ts';
import type { Credentials, Presented } from '../../credentials.ts';
import { csvLineOf } from '../../csv-line.ts';
import { originOf, type RequestContext, type RequestOrigin } from '../../request-context.ts';
import { readMoment } from '../../scalars.ts';

export interface AuditRouteOptions {
  trail: Auth['trail'];
  access: AccessFeed;
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
  /** the console shows the trail at the same address */
  servePage: ServePage;
}

type Line = TrailLine;

const columns = {
  number: (line: Line) => String(line.number),
  at: (line: Line) => line.at.toISOString(),
  actor: (line: Line) => line.actor,
  action: (line: Line) => line.action,
  subject: (line: Line) => line.subject,
  result: (line: Line) => line.result,
  requestId: (line: Line) => line.requestId,
  address: (line: Line) => line.address,
  userAgent: (line: Line) => line.userAgent,
  details: (line: Line) => (line.details === null ? null : JSON.stringify(line.details)),
  id: (line: Line) => line.id,
  hash: (line: Line) => line.hash,
};

const formats = {
  jsonl: { type: 'application/jsonl; charset=utf-8', head: '', write: (line: Line) => `${JSON.stringify(line)}\n` },
  csv: { type: 'text/csv; charset=utf-8', head: csvLineOf(Object.keys(columns)), write: (line: Line) => csvLineOf(Object.values(columns).map((of) => of(line))) },
};
type Format = keyof typeof formats;

/**
 * `GET /audit?format=jsonl|csv&from=&to=`: the trail of the caller's tenant, oldest first. Read page by page as fast as it
 * is taken, so that a long trail needs no more memory than a short one.
 * It breaks off when the reader loses the right to it.
 */
export function serveAuditExport(app: FastifyInstance, { trail, access, credentials, makeContext, servePage }: AuditRouteOptions): void {
  app.get<{ Querystring: Record<string, unknown> }>('/audit', { exposeHeadRoute: false }, async (request, reply) => {
    const page = request.query['format'] === undefined ? servePage(request, reply) : null;
    if (page) return page;
    const { signedIn } = await makeContext(credentials.ofDownload(request), originOf(request));
    const { format, from, to } = readQuery(request.query);
    const { type, head, write } = formats[format];
    const pages = await trail.export(signedIn, { ...(from ? { from } : {}), ...(to ? { to } : {}) }, format);
    async function* text(): AsyncGenerator<string, void, void> {
      if (head) yield head;
      for await (const page of pages) if (page.length) yield page.map(write).join('');
    }
    const lines = Readable.from(text(), { objectMode: false });
    lines.once('close', access.watch(signedIn, () => lines.destroy(new Error('the reader has lost the right to it'))));
    return reply
      .headers({ 'content-type': type, 'content-disposition': `attachment; filename="audit.${format}"`, 'cache-control': 'no-store' })
      .send(lines);
  });
}

function readQuery({ format = 'jsonl', from, to, ...others }: Record<string, unknown>): { format: Format; from: Date | null; to: Date | null } {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw unfit(unknown.slice(0, 40), 'There is no such parameter.', 'Use format, from and to.');
  if (typeof format !== 'string' || !Object.hasOwn(formats, format)) throw unfit('format', 'There is no such format.', 'Use jsonl or csv.');
  return { format: format as Format, from: readTime('from', from), to: readTime('to', to) };
}

function readTime(field: string, value: unknown): Date | null {
  if (value === undefined || value === '') return null;
  const time = typeof value === 'string' ? readMoment(value) : null;
  if (!time) throw unfit(field, 'This is no time.', 'Write it as 2026-11-23T12:00:00Z.');
  return time;
}

const unfit = (field: string, message: string, remedy: string): DomainError => new DomainError('INVALID', message, { field, remedy });
