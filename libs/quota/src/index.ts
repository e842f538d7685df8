export {
  createQuota,
  defaultLimits,
  type Quota,
  type QuotaCounterView,
  type QuotaExceeded,
  type QuotaResource,
  type ReserveInput,
  type UsageSummary,
} from './quota.ts';
export { createUsageJournal, type PredictionUsage, type UsageJournal, type UsageJournalOptions } from './usage-journal.ts';
