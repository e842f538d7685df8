export { defaultLimits, type OwnUsage, type QuotaCounterView, type QuotaResource, type UsageSummary } from './limits.ts';
export type { PlanView, TenantUse } from './plans.ts';
export { createQuota, type Quota, type QuotaExceeded } from './quota.ts';
export { createRequestLimiter, type RequestLimiter, type RequestLimits, type Standing } from './request-limiter.ts';
export { defaultTableLimits, type TableLimits } from './table-limits.ts';
export { defaultTrainingLimits, leastRunMemoryMb, type TrainingLimits } from './training-limits.ts';
export { createUsageJournal, type PredictionUsage, type UsageJournal } from './usage-journal.ts';
