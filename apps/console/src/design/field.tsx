import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes } from 'react';

export interface FieldProblem {
  message: string;
  remedy: string | null;
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  problem?: FieldProblem | null | undefined;
  isOptional?: boolean;
  className?: string;
}

interface Described {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: true;
}

/** A label, the control, a hint, and what is wrong with the value, tied together for screen readers. */
export function Field(props: FieldProps & { children: (described: Described) => ReactNode }) {
  const { label, hint, problem, isOptional, className = '', children } = props;
  const id = useId();
  const notes = [...(problem ? [`${id}-problem`] : []), ...(hint ? [`${id}-hint`] : [])].join(' ');
  return (
    <div className={`min-w-0 ${className}`}>
      <label htmlFor={id} className="mb-1.5 block text-[13px] font-medium text-steel-700">
        {label}
        {isOptional && <span className="font-normal text-steel-500"> (optional)</span>}
      </label>
      {children({ id, ...(notes ? { 'aria-describedby': notes } : {}), ...(problem ? { 'aria-invalid': true } : {}) })}
      {problem && (
        <p id={`${id}-problem`} role="alert" className="mt-1.5 text-[13px] text-bad-700">
          {problem.message}
          {problem.remedy && <span className="text-steel-600"> {problem.remedy}</span>}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className="mt-1.5 text-xs text-steel-500">
          {hint}
        </p>
      )}
    </div>
  );
}

type TextFieldProps = FieldProps &
  Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange' | 'value' | 'className'> & { value: string; onValue(value: string): void };

export function TextField({ label, hint, problem, isOptional, className, value, onValue, ...input }: TextFieldProps) {
  const field = { label, hint, problem, ...(isOptional ? { isOptional } : {}), ...(className ? { className } : {}) };
  return (
    <Field {...field}>
      {(described) => (
        <input {...input} {...described} value={value} onChange={(event) => onValue(event.target.value)} className="control" />
      )}
    </Field>
  );
}

export interface Choice {
  value: string;
  label: string;
}

type SelectFieldProps = FieldProps &
  Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange' | 'value' | 'className'> & {
    value: string;
    choices: readonly Choice[];
    onValue(value: string): void;
  };

export function SelectField({ label, hint, problem, isOptional, className, value, choices, onValue, ...select }: SelectFieldProps) {
  const field = { label, hint, problem, ...(isOptional ? { isOptional } : {}), ...(className ? { className } : {}) };
  return (
    <Field {...field}>
      {(described) => (
        <select {...select} {...described} value={value} onChange={(event) => onValue(event.target.value)} className="control">
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {choice.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckFieldProps {
  label: ReactNode;
  hint?: ReactNode;
  isChecked: boolean;
  isDisabled?: boolean;
  onChecked(isChecked: boolean): void;
}

export function CheckField({ label, hint, isChecked, isDisabled = false, onChecked }: CheckFieldProps) {
  const id = useId();
  return (
    <div className="flex items-start gap-2.5">
      <input
        id={id}
        type="checkbox"
        checked={isChecked}
        disabled={isDisabled}
        {...(hint ? { 'aria-describedby': `${id}-hint` } : {})}
        onChange={(event) => onChecked(event.target.checked)}
        className="mt-0.5 size-4 shrink-0 accent-accent-600"
      />
      <div className="min-w-0">
        <label htmlFor={id} className="text-sm text-steel-800">
          {label}
        </label>
        {hint && (
          <p id={`${id}-hint`} className="text-xs text-steel-500">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}
