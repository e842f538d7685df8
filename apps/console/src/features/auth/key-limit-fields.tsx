import { useQuery } from '@apollo/client/react';
import { CheckField, SelectField, TextField } from '../../design/field.tsx';
import { EndpointsDocument } from '../../gql/graphql.ts';
import { problemOf, type Refusal } from '../../graphql/refusal.ts';

/** What of a key can be chosen at first and changed later, as it is written into the form. */
export interface KeyLimits {
  alias: string;
  models: string[];
  addresses: string;
  rpmLimit: string;
  maxParallelRequests: string;
  maxBudget: string;
  softBudget: string;
  budgetDuration: string;
}

/** When a key ends: days from now, or never. */
export const lifetimes = [
  { value: '', label: 'Never' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
];

export const momentIn = (days: string): string => new Date(Date.now() + Number(days) * 86_400_000).toISOString();
const shownFields = ['alias', 'expiresAt', 'addresses', 'rpmLimit', 'maxParallelRequests', 'maxBudget', 'softBudget'];

const budgetDurations = [
  { value: '', label: 'Never' },
  { value: '1d', label: 'Each day' },
  { value: '7d', label: 'Every 7 days' },
  { value: '30d', label: 'Every 30 days' },
];

/** `addresses.1` is about the field with the addresses. */
export const isShown = (field: string): boolean => shownFields.includes(field.split(/[.[]/, 1)[0]!);

export function inputOf({ alias, models, addresses, rpmLimit, maxParallelRequests, maxBudget, softBudget, budgetDuration }: KeyLimits) {
  return {
    alias: alias.trim(),
    models,
    addresses: addresses.split(/[\s,;]+/).filter((address) => address !== ''),
    rpmLimit: rpmLimit === '' ? null : Number(rpmLimit),
    maxParallelRequests: maxParallelRequests === '' ? null : Number(maxParallelRequests),
    maxBudget: maxBudget === '' ? null : Number(maxBudget),
    softBudget: softBudget === '' ? null : Number(softBudget),
    budgetDuration: budgetDuration || null,
  };
}

interface LimitFieldsProps {
  form: KeyLimits;
  endpointNames: readonly string[];
  refusal: Refusal | null;
  onForm(form: KeyLimits): void;
}

export function LimitFields({ form, endpointNames, refusal, onForm }: LimitFieldsProps) {
  const names = [...new Set([...endpointNames, ...form.models])];
  const addressProblem = refusal?.problems.find(({ field }) => /^(input\.)?addresses/.test(field)) ?? problemOf(refusal, 'addresses');
  return (
    <>
      {names.length > 0 && (
        <fieldset className="space-y-2">
          <legend className="mb-1.5 text-[13px] font-medium text-steel-700">Which endpoints it may call (none chosen: all)</legend>
          {names.map((name) => (
            <CheckField
              key={name}
              label={name}
              isChecked={form.models.includes(name)}
              onChecked={(isChecked) => onForm({ ...form, models: toggled(form.models, name, isChecked) })}
            />
          ))}
        </fieldset>
      )}
      <TextField
        label="Addresses"
        isOptional
        placeholder="192.0.2.7, 198.51.100.0/24"
        hint="Addresses and networks that it may be used from. None: from everywhere."
        value={form.addresses}
        onValue={(addresses) => onForm({ ...form, addresses })}
        problem={addressProblem}
      />
      <div className="grid grid-cols-2 gap-4">
        <TextField
          label="Requests a minute"
          isOptional
          type="number"
          min={1}
          value={form.rpmLimit}
          onValue={(rpmLimit) => onForm({ ...form, rpmLimit })}
          problem={problemOf(refusal, 'rpmLimit')}
        />
        <TextField
          label="Requests at a time"
          isOptional
          type="number"
          min={1}
          value={form.maxParallelRequests}
          onValue={(maxParallelRequests) => onForm({ ...form, maxParallelRequests })}
          problem={problemOf(refusal, 'maxParallelRequests')}
        />
      </div>
      <div className="grid grid-cols-3 gap-4">
        <TextField
          label="Budget"
          isOptional
          type="number"
          min={0}
          hint="Cost units: one a row."
          value={form.maxBudget}
          onValue={(maxBudget) => onForm({ ...form, maxBudget })}
          problem={problemOf(refusal, 'maxBudget')}
        />
        <TextField
          label="Notice from"
          isOptional
          type="number"
          min={0}
          value={form.softBudget}
          onValue={(softBudget) => onForm({ ...form, softBudget })}
          problem={problemOf(refusal, 'softBudget')}
        />
        <SelectField label="Begins anew" choices={budgetDurations} value={form.budgetDuration} onValue={(budgetDuration) => onForm({ ...form, budgetDuration })} />
      </div>
    </>
  );
}

/** Of the endpoints that there are, for a form. */
export function useEndpointNames(isOpen: boolean): string[] {
  const { data } = useQuery(EndpointsDocument, { skip: !isOpen });
  return data?.endpoints.edges.map(({ node }) => node.name) ?? [];
}

/** A choice of several, with one of them ticked or not. */
export function toggled<Value>(values: readonly Value[], value: Value, isIn: boolean): Value[] {
  return isIn ? [...values, value] : values.filter((other) => other !== value);
}
