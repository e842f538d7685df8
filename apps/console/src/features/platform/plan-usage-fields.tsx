import { Button } from '../../design/button.tsx';
import type { PlanFieldsFragment } from '../../gql/graphql.ts';
import { problemOf, type Refusal } from '../../graphql/refusal.ts';
import { emptyLimit, LimitInputs, type LimitValues } from '../quota/limit-values.tsx';

interface PlanUsageFieldsProps {
  limits: readonly LimitValues[];
  onLimits(limits: LimitValues[]): void;
  refusal: Refusal | null;
}

/** How much each tenant of a plan may predict: any number of limits, none by default. */
export function PlanUsageFields({ limits, onLimits, refusal }: PlanUsageFieldsProps) {
  const whole = problemOf(refusal, 'usage');
  return (
    <fieldset className="space-y-4">
      <legend className="mb-2 text-[13px] font-medium text-steel-700">Limits of predictions, for each tenant</legend>
      {limits.map((values, index) => (
        <div key={index} className="space-y-3 rounded-md bg-steel-50 p-4">
          <LimitInputs values={values} onValues={(next) => onLimits(limits.with(index, next))} refusal={refusal} part={`usage.${index}.`} />
          <div className="flex justify-end">
            <Button aria-label={`Remove limit ${index + 1}`} onClick={() => onLimits(limits.toSpliced(index, 1))}>
              Remove
            </Button>
          </div>
        </div>
      ))}
      {whole && (
        <p role="alert" className="text-[13px] text-bad-700">
          {whole.message} <span className="text-steel-600">{whole.remedy}</span>
        </p>
      )}
      <Button onClick={() => onLimits([...limits, emptyLimit])}>Add a limit</Button>
    </fieldset>
  );
}

/** As the form holds those of a plan. */
export const planLimitsOf = (plan: PlanFieldsFragment | null): LimitValues[] =>
  plan?.usage.map(({ measure, period, limit, softLimit }) => ({ measure, period, limit: String(limit), softLimit: softLimit === null ? '' : String(softLimit) })) ?? [];

/** Whether a problem stands at one of these fields. */
export const isOfUsage = (field: string): boolean => field === 'usage' || field.startsWith('usage.');
