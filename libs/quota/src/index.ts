export {
  createQuota,
  defaultLimits,
  type OwnUsage,
  type Quota,
  type QuotaCounterView,
  type QuotaExceeded,
  type QuotaResource,
  type ReserveInput,
  type UsageSummary,
} from './quota.ts';
export { type Admission, createRequestLimiter, type RequestLimiter, type RequestLimits, type Standing } from './request-limiter.ts';
export { createUsageJournal, type PredictionUsage, type UsageJournal, type UsageJournalOptions } from './usage-journal.ts';
