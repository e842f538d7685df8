export { defaultLimits, type OwnUsage, type QuotaCounterView, type QuotaResource, type UsageSummary } from './limits.ts';
export { type Charge, createMeter, type LimitStanding, type Meter, type Metered } from './meter.ts';
export type { PlanView, TenantUse } from './plans.ts';
export { createQuota, type KeySpend, type KeyWithBudget, type Quota, type QuotaExceeded } from './quota.ts';
export { type Admission, createRequestLimiter, type RequestLimiter, type RequestLimits, type Standing } from './request-limiter.ts';
export { defaultTrainingLimits, leastRunMemoryMb, type TrainingLimits } from './training-limits.ts';
export { createUsageJournal, type PredictionUsage, type UsageJournal } from './usage-journal.ts';
export type { LimitSource, LimitTerms, UsageMeasure, UsagePeriod, UsageScope } from './usage-limit.ts';
export type { UsageLimitView } from './usage-limits.ts';
