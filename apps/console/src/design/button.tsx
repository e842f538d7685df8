import type { ButtonHTMLAttributes } from 'react';

type Kind = 'primary' | 'secondary' | 'danger' | 'quiet';

const base =
  'inline-flex items-center justify-center gap-2 whitespace-nowrap rounded-md px-3.5 py-2 text-sm font-medium transition-colors ' +
  'disabled:cursor-not-allowed disabled:opacity-55';
const looks: Record<Kind, string> = {
  primary: 'bg-accent-600 text-white hover:enabled:bg-accent-700 [a&]:hover:bg-accent-700',
  secondary: 'border border-steel-300 bg-white text-steel-800 hover:enabled:bg-steel-50 [a&]:hover:bg-steel-50',
  danger: 'border border-bad-200 bg-white text-bad-700 hover:enabled:bg-bad-50',
  quiet: 'px-2 text-accent-700 hover:enabled:bg-accent-50 [a&]:hover:bg-accent-50',
};

/** For links that look like buttons. */
export function buttonClass(kind: Kind = 'secondary'): string {
  return `${base} ${looks[kind]}`;
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: Kind;
  /** Shows that the press is being worked on, and refuses another. */
  isPending?: boolean;
}

export function Button({ kind = 'secondary', isPending = false, className = '', children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={rest.disabled === true || isPending}
      aria-busy={isPending}
      className={`${buttonClass(kind)} ${className}`}
    >
      {isPending && (
        <span className="size-3.5 animate-spin rounded-full border-2 border-current border-t-transparent" aria-hidden="true" />
      )}
      {children}
    </button>
  );
}
