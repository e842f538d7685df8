export { defaultLimits, type Limits, type OwnUsage, type QuotaCounterView, type QuotaResource, type UsageSummary } from './limits.ts';
export type { PlanInput, PlanView, SavePlanOutcome, SetTenantPlanOutcome, TenantUse } from './plans.ts';
export { createQuota, type Quota, type QuotaExceeded, type ReserveInput } from './quota.ts';
export { type Admission, createRequestLimiter, type RequestLimiter, type RequestLimits, type Standing } from './request-limiter.ts';
export { createUsageJournal, type PredictionUsage, type UsageJournal, type UsageJournalOptions } from './usage-journal.ts';
