import type { DenseSettings } from '@millrace/configuration';

/**
 * How much a row of each class counts, by class index; null where all count alike. `balanced` gives every class the same
 * weight in all and keeps the mean over the rows at 1.
 */
export function classWeightsOf(setting: DenseSettings['classWeight'], classes: string[], targets: ArrayLike<number>): Float64Array | null {
  if (setting === 'none' || classes.length === 0) return null;
  if (setting !== 'balanced') return Float64Array.from(classes, (label) => (Object.hasOwn(setting, label) ? setting[label]! : 1));
  const counts = new Float64Array(classes.length);
  for (let row = 0; row < targets.length; row++) counts[targets[row]!]! += 1;
  return counts.map((count) => (count > 0 ? targets.length / (classes.length * count) : 1));
}
