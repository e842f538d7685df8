export { defaultLimits, type Limits, type QuotaCounterView, type QuotaResource, type UsageSummary } from './limits.ts';
export type { PlanInput, PlanView, SavePlanOutcome, SetTenantPlanOutcome, TenantUse } from './plans.ts';
export { createQuota, type Quota, type QuotaExceeded, type ReserveInput } from './quota.ts';
export { createUsageJournal, type PredictionUsage, type UsageJournal, type UsageJournalOptions } from './usage-journal.ts';
