import type { Signature, SignatureInput } from '@millrace/packaging';

/**
 * Why rows that fit one version may be refused by another, as the rest of a sentence about it; null where its inputs are the same or take more. By name and by place,
 * since rows come as objects and as lists.
 */
export function whatFitsNoLonger({ inputs: before = [] }: Partial<Signature>, { inputs: after = [] }: Partial<Signature>): string | null {
  const added = after.filter(({ name }) => !before.some((input) => input.name === name));
  const gone = before.filter(({ name }) => !after.some((input) => input.name === name));
  const changes = [added.length ? `takes ${named(added)} as well` : '', gone.length ? `knows no ${named(gone)}` : ''].filter(Boolean);
  if (changes.length) return changes.join(' and ');
  if (after.some(({ name }, at) => before[at]!.name !== name)) return 'takes its inputs in another order';
  const narrower = after.filter((input, at) => isNarrower(before[at]!, input));
  return narrower.length ? `takes less as ${named(narrower)}` : null;
}

function isNarrower(before: SignatureInput, after: SignatureInput): boolean {
  if (before.type !== after.type && !(before.categories && after.categories)) return true;
  if (after.required && !before.required) return true;
  if (!after.closed) return false;
  if (!before.closed) return true;
  if (before.categories) return before.categories.some((value) => !after.categories?.includes(value));
  return before.min < after.min! || before.max > after.max!;
}

const mostNamed = 5;
const named = (inputs: readonly SignatureInput[]): string =>
  inputs.slice(0, mostNamed).map(({ name }) => `"${name.slice(0, 60)}"`).join(', ') + (inputs.length > mostNamed ? ` and ${inputs.length - mostNamed} more` : '');
