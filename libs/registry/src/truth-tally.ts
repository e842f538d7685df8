import { Prisma, type TenantTx } from '@millrace/database';
import { binsOf, logLossOf } from './live-probabilities.ts';
import { scoreList } from './live-recommendations.ts';
import { scoreTime, type TimeTruth } from './live-survival.ts';
import type { Variant } from './traffic.ts';
import type { RecordedAnswer, Truth, TruthKind } from './truths.ts';

/** Where the answers of one recording are counted. */
export interface TallyPlace {
  tenantId: string;
  endpointId: string;
  versionId: string;
  variant: Variant;
  slot: Date;
}

/** The truths about one prediction, a row each, as one sender told them. */
export interface ToldTruths {
  truths: readonly Truth[];
  /** whether rules count them */
  trusted: boolean;
  /** whether they count for curves: before there were those of several classes, theirs did not */
  withCurves: boolean;
}

/** A row of what is told, or of what was told before and is to be counted no more. */
interface Line {
  sign: 1 | -1;
  trusted: boolean;
  withCurves: boolean;
  truth: NonNullable<Truth>;
  answer: RecordedAnswer;
}

/** Counts what is told of a prediction's answers, and no more what was told of them before. */
export async function tally(tx: TenantTx, place: TallyPlace, kind: NonNullable<TruthKind>, answers: readonly RecordedAnswer[], before: ToldTruths | null, told: ToldTruths): Promise<void> {
  const lines = (sign: 1 | -1, { truths, ...told }: ToldTruths): Line[] => truths.flatMap((truth, row) => (truth === null ? [] : [{ sign, ...told, truth, answer: answers[row]! }]));
  const changes = [...(before ? lines(-1, before) : []), ...lines(1, told)];
  switch (kind.type) {
    case 'classes': {
      await count(tx, place, 'truth_counts', changes.map((line) => ({ ...line, key: [line.truth as number, placeOf(line.answer)] })));
      const listed = changes.flatMap((line) => (isList(line.answer) ? [{ ...line, answer: line.answer, truth: line.truth as number }] : []));
      const curved = listed.filter(({ withCurves }) => withCurves || kind.classes.length === 2);
      await count(tx, place, 'probability_counts', curved.flatMap((line) => binsOf(line.answer, line.truth, kind).map(({ ofClass, truth, bin }) => ({ ...line, key: [ofClass, truth, bin] }))));
      return kind.isScored ? undefined : addMeans(tx, place, listed.map((line) => ({ ...line, metric: 'logLoss', value: logLossOf(line.answer, line.truth) })));
    }
    case 'items':
      return addMeans(tx, place, changes.flatMap((line) => Object.entries(scoreList(line.answer as readonly string[], line.truth as readonly string[], kind.count)).map(([metric, value]) => ({ ...line, metric, value }))));
    case 'times':
      return addMeans(tx, place, changes.flatMap((line) => Object.entries(scoreTime(line.answer as readonly number[], line.truth as TimeTruth)).map(([metric, value]) => ({ ...line, metric, value }))));
    case 'numbers':
      // In one order, so that two never wait for each other.
      for (const trusted of [false, true]) {
        const [gone, come] = [-1, 1].map((sign) => sumErrors(changes.filter((line) => line.sign === sign && line.trusted === trusted)));
        await addErrors(tx, place, trusted, gone!, come!);
      }
  }
}

const isList = (answer: RecordedAnswer): answer is readonly number[] => typeof answer === 'object';
const placeOf = (answer: RecordedAnswer): number => (isList(answer) ? answer[0]! : Number(answer));

/** What rows are counted by. */
const keys = { truth_counts: ['truth', 'answer'], probability_counts: ['of_class', 'truth', 'bin'] } as const;

/** Adds to counts. @param lines each with a value for every column of the table's key */
async function count(tx: TenantTx, { tenantId, endpointId, versionId, variant, slot }: TallyPlace, table: keyof typeof keys, lines: readonly (Pick<Line, 'sign' | 'trusted'> & { key: readonly number[] })[]): Promise<void> {
  const changes = new Map<string, { trusted: boolean; rows: number } & Record<string, unknown>>();
  for (const { sign, trusted, key } of lines) {
    const name = `${trusted} ${key.join(' ')}`;
    changes.set(name, { trusted, ...Object.fromEntries(keys[table].map((column, at) => [column, key[at]])), rows: (changes.get(name)?.rows ?? 0) + sign });
  }
  const changed = [...changes.values()].filter(({ rows }) => rows !== 0);
  if (!changed.length) return;
  const columns = (as: (column: string) => string, between = ', ') => Prisma.raw(keys[table].map(as).join(between));
  const [into, own, theirs, typed] = [Prisma.raw(table), columns((column) => column), columns((column) => `c.${column}`), columns((column) => `${column} int`)];
  const same = columns((column) => `t.${column} = c.${column}`, ' AND ');
  // First all that may be missing, since a count is never negative; in one order, so that two never wait for each other.
  const json = JSON.stringify(changed);
  await tx.$executeRaw`
    INSERT INTO ${into} (tenant_id, endpoint_id, version_id, variant, trusted, slot, ${own}, rows)
    SELECT ${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, c.trusted, ${slot}, ${theirs}, 0
    FROM jsonb_to_recordset(${json}::jsonb) AS c(trusted bool, ${typed}) ORDER BY c.trusted, ${theirs} ON CONFLICT DO NOTHING`;
  await tx.$queryRaw`
    SELECT 1 FROM ${into} WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND slot = ${slot}
      AND (trusted, ${own}) IN (SELECT c.trusted, ${theirs} FROM jsonb_to_recordset(${json}::jsonb) AS c(trusted bool, ${typed})) ORDER BY trusted, ${own} FOR UPDATE`;
  await tx.$executeRaw`
    UPDATE ${into} t SET rows = t.rows + c.rows FROM jsonb_to_recordset(${json}::jsonb) AS c(trusted bool, ${typed}, rows int)
    WHERE t.tenant_id = ${tenantId} AND t.endpoint_id = ${endpointId} AND t.version_id = ${versionId} AND t.variant = ${variant}::traffic_variant AND t.slot = ${slot}
      AND t.trusted = c.trusted AND ${same}`;
}

/** Adds to the sums of metrics that are a mean over rows. */
async function addMeans(tx: TenantTx, { tenantId, endpointId, versionId, variant, slot }: TallyPlace, lines: readonly (Line & { metric: string; value: number })[]): Promise<void> {
  const sums = new Map<string, { trusted: boolean; metric: string; come: MeanSums; gone: MeanSums }>();
  for (const { sign, trusted, metric, value } of lines) {
    const key = `${trusted} ${metric}`;
    const sum = sums.get(key) ?? { trusted, metric, come: { rows: 0, total: 0, squared: 0 }, gone: { rows: 0, total: 0, squared: 0 } };
    sums.set(key, sum);
    const side = sign === 1 ? sum.come : sum.gone;
    side.rows++;
    side.total += value;
    side.squared += value ** 2;
  }
  for (const [, { trusted, metric, come, gone }] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // Taken away is, to the digit, what was added: the same number became the same decimal then.
    const change = (of: 'total' | 'squared') => Prisma.sql`${come[of]}::float8::numeric(60, 30) - ${gone[of]}::float8::numeric(60, 30)`;
    await tx.$executeRaw`
      INSERT INTO metric_sums (tenant_id, endpoint_id, version_id, variant, trusted, slot, metric, rows, total, squared)
      VALUES (${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, ${trusted}, ${slot}, ${metric}, 0, 0, 0) ON CONFLICT DO NOTHING`;
    await tx.$executeRaw`
      UPDATE metric_sums SET rows = rows + ${come.rows - gone.rows}::int, total = total + ${change('total')}, squared = squared + ${change('squared')}
      WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND trusted = ${trusted} AND slot = ${slot} AND metric = ${metric}`;
  }
}

interface MeanSums {
  rows: number;
  total: number;
  squared: number;
}

type ErrorSums = ReturnType<typeof sumErrors>;

async function addErrors(tx: TenantTx, { tenantId, endpointId, versionId, variant, slot }: TallyPlace, trusted: boolean, gone: ErrorSums, come: ErrorSums): Promise<void> {
  if (!gone.rows && !come.rows) return;
  const change = (of: 'absolute' | 'squared' | 'fourth' | 'truth' | 'truthSquared') => Prisma.sql`${come[of]}::float8::numeric - ${gone[of]}::float8::numeric`;
  await tx.$executeRaw`
    INSERT INTO error_sums AS s (tenant_id, endpoint_id, version_id, variant, trusted, slot, rows, absolute, squared, fourth, truth, truth_squared)
    VALUES (${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, ${trusted}, ${slot}, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING`;
  await tx.$executeRaw`
    UPDATE error_sums SET rows = rows + ${come.rows - gone.rows}::int, absolute = absolute + ${change('absolute')}, squared = squared + ${change('squared')},
      fourth = fourth + ${change('fourth')}, truth = truth + ${change('truth')}, truth_squared = truth_squared + ${change('truthSquared')}
    WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND trusted = ${trusted} AND slot = ${slot}`;
}

function sumErrors(lines: readonly Line[]) {
  const sums = { rows: 0, absolute: 0, squared: 0, fourth: 0, truth: 0, truthSquared: 0 };
  for (const { answer, truth } of lines as readonly { answer: number; truth: number }[]) {
    const error = Math.abs(answer - truth);
    sums.rows++;
    sums.absolute += error;
    sums.squared += error ** 2;
    sums.fourth += error ** 4;
    sums.truth += truth;
    sums.truthSquared += truth ** 2;
  }
  return sums;
}
