import { requirePermission } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';
import { type UsageDimension, usageDimensions, type UsageLine } from '@millrace/quota';
import type { FastifyInstance } from 'fastify';
import type { Credentials, Presented } from '../../credentials.ts';
import { csvLineOf } from '../../csv-line.ts';
import { originOf, type RequestContext, type RequestOrigin } from '../../request-context.ts';
import { readMoment } from '../../scalars.ts';
import { linesOf } from './usage-report-types.ts';

export interface UsageRouteOptions {
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

const columns = {
  time: ({ time }: UsageLine) => time?.toISOString() ?? null,
  actor: ({ actor }: UsageLine) => actor,
  actorLabel: ({ actorLabel }: UsageLine) => actorLabel,
  endpoint: ({ endpoint }: UsageLine) => endpoint,
  modelVersionId: ({ modelVersionId }: UsageLine) => modelVersionId,
  predictions: ({ predictions }: UsageLine) => Number(predictions),
  rows: ({ rows }: UsageLine) => Number(rows),
  costUnits: ({ costUnits }: UsageLine) => costUnits,
  computeSeconds: ({ computeSeconds }: UsageLine) => computeSeconds,
  gpuSeconds: ({ gpuSeconds }: UsageLine) => gpuSeconds,
};

/** `GET /usage/export?format=csv|json&from=&to=&by=day,actor,endpoint`: what the caller's tenant used, for billing. */
export function serveUsageExport(app: FastifyInstance, { credentials, makeContext }: UsageRouteOptions): void {
  app.get<{ Querystring: Record<string, unknown> }>('/usage/export', { exposeHeadRoute: false }, async (request, reply) => {
    const { signedIn, services } = await makeContext(credentials.ofDownload(request), originOf(request));
    requirePermission(signedIn, 'usage:read'); // before it is said what is wrong with the question
    const { format, ...period } = readQuery(request.query);
    const lines = linesOf(await services.quota.reportUsage(signedIn, period));
    const rows = lines.map((line) => Object.fromEntries(Object.entries(columns).map(([name, of]) => [name, of(line)])));
    const text =
      format === 'json'
        ? `${JSON.stringify({ from: period.from, to: period.to, lines: rows })}\n`
        : csvLineOf(Object.keys(columns)) + rows.map((row) => csvLineOf(Object.values(row).map((value) => (value === null ? null : String(value))))).join('');
    return reply
      .headers({ 'content-type': format === 'json' ? 'application/json; charset=utf-8' : 'text/csv; charset=utf-8', 'content-disposition': `attachment; filename="usage.${format}"`, 'cache-control': 'no-store' })
      .send(text);
  });
}

function readQuery({ format = 'csv', from, to, by = 'day', ...others }: Record<string, unknown>): { format: 'csv' | 'json'; from: Date; to: Date; by: UsageDimension[] } {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw unfit(unknown.slice(0, 40), 'There is no such parameter.', 'Use format, from, to and by.');
  if (format !== 'csv' && format !== 'json') throw unfit('format', 'There is no such format.', 'Use csv or json.');
  const dimensions = String(by).toUpperCase().split(',').filter(Boolean);
  const isDimension = (word: string): word is UsageDimension => (usageDimensions as readonly string[]).includes(word);
  if (!dimensions.every(isDimension)) throw unfit('by', 'Usage is not told apart by this.', `Use some of ${usageDimensions.join(', ').toLowerCase()}, with commas between them.`);
  return { format, from: readTime('from', from), to: readTime('to', to), by: dimensions };
}

function readTime(field: string, value: unknown): Date {
  const time = typeof value === 'string' ? readMoment(value) : null;
  if (!time) throw unfit(field, 'This is no time.', 'Write it as 2026-11-01T00:00:00Z.');
  return time;
}

const unfit = (field: string, message: string, remedy: string): DomainError => new DomainError('INVALID', message, { field, remedy });
