import { SelectField, TextField } from '../../design/field.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import type { UsageLimitFieldsFragment, UsageMeasure, UsagePeriod } from '../../gql/graphql.ts';
import { problemOf, type Refusal } from '../../graphql/refusal.ts';

/** What a limit of predictions says, as its form holds it. */
export interface LimitValues {
  measure: UsageMeasure;
  period: UsagePeriod;
  limit: string;
  softLimit: string;
}

export const emptyLimit: LimitValues = { measure: 'ROWS', period: 'MONTH', limit: '', softLimit: '' };

/** As the API takes it. */
export const inputOf = ({ measure, period, limit, softLimit }: LimitValues) => ({ measure, period, limit, softLimit: softLimit === '' ? null : softLimit });

const measures: { value: UsageMeasure; label: string }[] = [
  { value: 'ROWS', label: 'rows' },
  { value: 'REQUESTS', label: 'requests' },
];
const periods: { value: UsagePeriod; label: string }[] = [
  { value: 'MINUTE', label: 'a minute' },
  { value: 'DAY', label: 'a day' },
  { value: 'MONTH', label: 'a month' },
  { value: 'RATE', label: 'a minute, evenly' },
];
const labelOf = <Value extends string>(options: { value: Value; label: string }[], value: Value): string => options.find((option) => option.value === value)?.label ?? value;

/** `rows a month` */
export const kindOf = ({ measure, period }: { measure: UsageMeasure; period: UsagePeriod }): string => `${labelOf(measures, measure)} ${labelOf(periods, period)}`;

/** With what it is raised by. */
export const mostOf = ({ limit, raise }: UsageLimitFieldsFragment): number => Number(limit) + Number(raise?.by ?? 0);

/** `12 of 100 until …`; a rate has no count to show. */
export function usedOf(limit: UsageLimitFieldsFragment): string {
  const most = formatCount(mostOf(limit));
  return limit.period === 'RATE' ? most : `${formatCount(limit.used)} of ${most} until ${formatMoment(limit.resetsAt)}`;
}

/** How far it is used, 0 to 1. */
export const shareOf = (limit: UsageLimitFieldsFragment): number => (limit.period === 'RATE' ? 0 : Number(limit.used) / Math.max(1, mostOf(limit)));

export const limitFields: readonly string[] = ['measure', 'period', 'limit', 'softLimit'];

interface LimitInputsProps {
  values: LimitValues;
  onValues(values: LimitValues): void;
  refusal: Refusal | null;
  /** before the names of its fields, where problems name it as a part of something */
  part?: string;
}

/** What is counted, in which time, how much of it, and from where on a notice is given. */
export function LimitInputs({ values, onValues, refusal, part = '' }: LimitInputsProps) {
  const { measure, period, limit, softLimit } = values;
  const change = (changes: Partial<LimitValues>) => onValues({ ...values, ...changes });
  return (
    <div className="grid grid-cols-2 gap-4">
      <SelectField
        label="Counts"
        choices={period === 'RATE' ? measures.slice(1) : measures}
        value={measure}
        onValue={(value) => change({ measure: value as UsageMeasure })}
        problem={problemOf(refusal, `${part}measure`)}
      />
      <SelectField
        label="In"
        choices={periods}
        value={period}
        onValue={(value) => change({ period: value as UsagePeriod, ...(value === 'RATE' ? { measure: 'REQUESTS' as const } : {}) })}
        problem={problemOf(refusal, `${part}period`)}
      />
      <TextField label="Limit" type="number" min={0} required value={limit} onValue={(value) => change({ limit: value })} problem={problemOf(refusal, `${part}limit`)} />
      <TextField label="Notice from" isOptional type="number" min={0} value={softLimit} onValue={(value) => change({ softLimit: value })} problem={problemOf(refusal, `${part}softLimit`)} />
    </div>
  );
}
