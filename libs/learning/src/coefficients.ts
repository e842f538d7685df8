import type { FittedPipeline } from './pipeline.ts';

/** What one input adds to the answer of a linear model. */
export interface Term {
  feature: string;
  /** of a category: the value that it is about; null for a number */
  value: string | null;
  /**
   * For one unit of a number, or for having the value instead of an unseen one: in the unit of the target, or in log-odds
   * of the class.
   */
  weight: number;
  /** The same for one standard deviation of the number as the model sees it: what terms are compared by. */
  effect: number;
}

/** A linear model as a formula: `intercept + Σ weight · input`. */
export interface Coefficients {
  /** The target's value, or one for each class (of two classes, the second alone). */
  outputs: { label: string | null; intercept: number; terms: Term[]; /** terms that are not listed */ more: number }[];
}

/** A picture of more is no picture; a category may have a thousand values. */
const mostTerms = 30;
const mostOutputs = 20;

/** The weights of a linear model in the units of its columns, the largest effects first; null for any other model. */
export function coefficientsOf({ features, target, estimator }: FittedPipeline): Coefficients | null {
  if (estimator.family !== 'linear') return null;
  const { kernel, bias } = estimator;
  const width = bias.length;
  const labels: (string | null)[] = target.type === 'number' ? [null] : target.classes;
  // Of two classes the first is the reference: its logit is 0.
  const shown = labels.map((label, output) => ({ label, output })).slice(labels.length === 2 ? 1 : 0, mostOutputs);
  return {
    outputs: shown.map(({ label, output }) => {
      let intercept = bias[output]!;
      let cell = 0;
      const terms = features.flatMap((feature): Term[] => {
        const weightAt = (place: number) => kernel[place * width + output]!;
        if (feature.type !== 'number') return feature.categories.map((value) => {
          const weight = weightAt(cell++);
          return { feature: feature.name, value, weight, effect: weight };
        });
        const effect = weightAt(cell++);
        const weight = effect / feature.scale;
        intercept -= weight * feature.mean;
        return [{ feature: feature.name, value: null, weight, effect }];
      });
      terms.sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
      return { label, intercept, terms: terms.slice(0, mostTerms), more: Math.max(0, terms.length - mostTerms) };
    }),
  };
}
