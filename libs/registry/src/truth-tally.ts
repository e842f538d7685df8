import { Prisma, type TenantTx } from '@millrace/database';
import type { Variant } from './traffic.ts';
import type { TruthKind } from './truths.ts';

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
  truths: readonly (number | null)[];
  /** whether rules count them */
  trusted: boolean;
}

/** Counts what is told of a prediction's answers, and no more what was told of them before. */
export async function tally(tx: TenantTx, place: TallyPlace, kind: NonNullable<TruthKind>, answers: readonly number[], before: ToldTruths | null, told: ToldTruths): Promise<void> {
  if (kind.type === 'classes') return countClasses(tx, place, answers, before, told);
  // In one order, so that two never wait for each other.
  for (const trusted of [false, true]) {
    const [gone, come] = [before, told].map((each) => sumErrors(answers, each?.trusted === trusted ? each.truths : []));
    await addErrors(tx, place, trusted, gone!, come!);
  }
}

async function countClasses(tx: TenantTx, { tenantId, endpointId, versionId, variant, slot }: TallyPlace, answers: readonly number[], before: ToldTruths | null, told: ToldTruths): Promise<void> {
  const changes = new Map<string, { trusted: boolean; truth: number; answer: number; rows: number }>();
  for (const [sign, { truths, trusted }] of [...(before ? [[-1, before] as const] : []), [1, told] as const]) {
    for (const [row, truth] of truths.entries()) {
      if (truth === null) continue;
      const answer = answers[row]!;
      const key = `${trusted} ${truth} ${answer}`;
      changes.set(key, { trusted, truth, answer, rows: (changes.get(key)?.rows ?? 0) + sign });
    }
  }
  const changed = [...changes.values()].filter(({ rows }) => rows !== 0);
  if (!changed.length) return;
  // First all that may be missing, since a count is never negative; in one order, so that two never wait for each other.
  const json = JSON.stringify(changed);
  await tx.$executeRaw`
    INSERT INTO truth_counts (tenant_id, endpoint_id, version_id, variant, trusted, slot, truth, answer, rows)
    SELECT ${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, c.trusted, ${slot}, c.truth, c.answer, 0
    FROM jsonb_to_recordset(${json}::jsonb) AS c(trusted bool, truth int, answer int) ORDER BY c.trusted, c.truth, c.answer ON CONFLICT DO NOTHING`;
  await tx.$queryRaw`
    SELECT 1 FROM truth_counts WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND slot = ${slot}
      AND (trusted, truth, answer) IN (SELECT c.trusted, c.truth, c.answer FROM jsonb_to_recordset(${json}::jsonb) AS c(trusted bool, truth int, answer int)) ORDER BY trusted, truth, answer FOR UPDATE`;
  await tx.$executeRaw`
    UPDATE truth_counts t SET rows = t.rows + c.rows FROM jsonb_to_recordset(${json}::jsonb) AS c(trusted bool, truth int, answer int, rows int)
    WHERE t.tenant_id = ${tenantId} AND t.endpoint_id = ${endpointId} AND t.version_id = ${versionId} AND t.variant = ${variant}::traffic_variant AND t.slot = ${slot}
      AND t.trusted = c.trusted AND t.truth = c.truth AND t.answer = c.answer`;
}

type ErrorSums = ReturnType<typeof sumErrors>;

async function addErrors(tx: TenantTx, { tenantId, endpointId, versionId, variant, slot }: TallyPlace, trusted: boolean, gone: ErrorSums, come: ErrorSums): Promise<void> {
  if (!gone.rows && !come.rows) return;
  // Taken away is, to the digit, what was added: the same number became the same decimal then.
  const change = (of: 'absolute' | 'squared' | 'fourth' | 'truth' | 'truthSquared') => Prisma.sql`${come[of]}::float8::numeric - ${gone[of]}::float8::numeric`;
  await tx.$executeRaw`
    INSERT INTO error_sums AS s (tenant_id, endpoint_id, version_id, variant, trusted, slot, rows, absolute, squared, fourth, truth, truth_squared)
    VALUES (${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, ${trusted}, ${slot}, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING`;
  await tx.$executeRaw`
    UPDATE error_sums SET rows = rows + ${come.rows - gone.rows}::int, absolute = absolute + ${change('absolute')}, squared = squared + ${change('squared')},
      fourth = fourth + ${change('fourth')}, truth = truth + ${change('truth')}, truth_squared = truth_squared + ${change('truthSquared')}
    WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND trusted = ${trusted} AND slot = ${slot}`;
}

function sumErrors(answers: readonly number[], truths: ToldTruths['truths']) {
  const sums = { rows: 0, absolute: 0, squared: 0, fourth: 0, truth: 0, truthSquared: 0 };
  for (const [row, truth] of truths.entries()) {
    if (truth === null) continue;
    const error = Math.abs(answers[row]! - truth);
    sums.rows++;
    sums.absolute += error;
    sums.squared += error ** 2;
    sums.fourth += error ** 4;
    sums.truth += truth;
    sums.truthSquared += truth ** 2;
  }
  return sums;
}
