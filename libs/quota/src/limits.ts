import type { QuotaCounter } from '@millrace/database';

export type QuotaResource = QuotaCounter['resource'];
export type Limits = Record<QuotaResource, bigint>;

/** What a tenant may have until an operator says otherwise. */
export const defaultLimits: Limits = {
  ACTIVE_RUNS: 20n,
  STORAGE_BYTES: 20n * 1024n ** 3n,
};

export interface QuotaCounterView {
  resource: QuotaResource;
  limit: bigint;
  used: bigint;
}

export interface UsageSummary {
  predictions: number;
  rows: bigint;
  computeSeconds: number;
  /** those of them that were on a GPU */
  gpuSeconds: number;
}

/** Cost units of predictions, as the header `x-millrace-cost-units` names them: in all, and since the last midnight, Monday and first of the month (UTC). */
export interface OwnUsage {
  total: number;
  today: number;
  thisWeek: number;
  thisMonth: number;
}
