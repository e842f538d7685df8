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
}
