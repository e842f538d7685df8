import { numbersOf, type Signature, type SignatureInput } from './signature.ts';

/** How the rows of a signature are looked at and packed. */
export interface RowPlan {
  /** names the columns and how they are packed; equal for equal signatures */
  layout: string;
  inputs: readonly SignatureInput[];
  /** by index of the input: its known categories, null for a number or date */
  known: ReadonlyArray<ReadonlySet<string> | null>;
  names: ReadonlySet<string>;
  numbers: number;
  categories: number;
  hasList: boolean;
  /** by input, where all are numbers of which any within the range will do */
  ranges: { min: Float64Array; max: Float64Array } | null;
  /** of one row, times channels */
  pixels: number;
  missingCategory: string;
}

const plans = new WeakMap<Signature, RowPlan>();

/** Made once for a signature, which must not change. */
export function rowPlanOf(signature: Signature): RowPlan {
  const ready = plans.get(signature);
  if (ready !== undefined) return ready;
  const { inputs, graph } = signature;
  const numbers = inputs.reduce((sum, input) => sum + numbersOf(input), 0);
  const open = inputs.flatMap((input) => (input.type === 'number' && !input.closed && Number.isFinite(input.min) && Number.isFinite(input.max) ? [input] : []));
  const fresh: RowPlan = {
    ranges: open.length === inputs.length ? { min: Float64Array.from(open, ({ min }) => min), max: Float64Array.from(open, ({ max }) => max) } : null,
    layout: JSON.stringify([graph.missingCategory, ...inputs.map((input) => [input.name, input.categories ?? input.parts ?? (input.type === 'image' ? [input.height, input.width, input.channels, ...(input.shortSide === undefined ? [] : [input.shortSide])] : input.type === 'list' ? input.choices : null)])]),
    inputs,
    known: inputs.map((input) => (input.categories ? new Set(input.categories) : input.type === 'list' ? new Set(input.choices) : null)),
    names: new Set(inputs.map((input) => input.name)),
    numbers,
    categories: inputs.filter((input) => input.categories).length,
    hasList: inputs.some((input) => input.type === 'list'),
    pixels: inputs.reduce((sum, input) => sum + (input.type === 'image' ? input.width * input.height * input.channels : 0), 0),
    missingCategory: graph.missingCategory,
  };
  plans.set(signature, fresh);
  return fresh;
}
