import type { SystemTx, TenantTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';

/** How large one table of a tenant may be. Part of a plan. */
export interface TableLimits {
  rows: number;
  columns: number;
  /** of one file, in units of 1 000 000 bytes; null for what the server takes */
  fileMb: number | null;
}

/** What a tenant has until an operator says otherwise. */
export const defaultTableLimits: TableLimits = { rows: 5_000_000, columns: 1000, fileMb: null };

const highest: Record<keyof TableLimits, number> = { rows: 2_000_000_000, columns: 10_000, fileMb: 1_000_000 };

export function tableLimitProblems(limits: Partial<TableLimits>): Problem[] {
  return (Object.keys(highest) as (keyof TableLimits)[]).flatMap((name) => {
    const value = limits[name];
    if (value === undefined || (value === null && name === 'fileMb')) return [];
    if (value !== null && Number.isInteger(value) && value >= 1 && value <= highest[name]) return [];
    return [{ code: 'limit_unfit', field: `tables.${name}`, message: 'This limit is out of bounds.', remedy: `Give a whole number from 1 to ${highest[name]}.` }];
  });
}

/** A plan from before a limit existed lacks it. */
export function tableLimitsOf(stored: unknown): TableLimits {
  return { ...defaultTableLimits, ...(stored as Partial<TableLimits>) };
}

export async function setTableLimits(tx: SystemTx, tenantIds: readonly string[], { rows, columns, fileMb }: TableLimits): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO tenant_table_limits (tenant_id, rows, columns, file_mb)
    SELECT id, ${rows}, ${columns}, ${fileMb} FROM unnest(${[...tenantIds]}::text[]) AS t (id) ORDER BY id
    ON CONFLICT (tenant_id) DO UPDATE SET rows = excluded.rows, columns = excluded.columns, file_mb = excluded.file_mb`;
}

/** The tenant's own. */
export async function readTableLimits(tx: TenantTx, tenantId: string): Promise<TableLimits> {
  const row = await tx.tenantTableLimits.findUnique({ where: { tenantId } });
  return row ? { rows: row.rows, columns: row.columns, fileMb: row.fileMb } : defaultTableLimits;
}
