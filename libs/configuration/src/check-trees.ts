import type { BoostedTreesSettings, ModelSettings, RandomForestSettings } from './families.ts';
import type { SpecProblem } from './spec-problem.ts';
import type { TrainingSpec } from './training-spec.ts';

type TreeSettings = BoostedTreesSettings | RandomForestSettings;

export const isTreeModel = (model: ModelSettings): model is TreeSettings => model.family === 'boosted_trees' || model.family === 'random_forest';

/** Leaves of all trees of a model, and numbers in them: what a trainer and an inference server can hold. */
const maxLeaves = 2_000_000;
const maxLeafValues = 8_000_000;

/**
 * What a tree model's settings ask for in vain. `classes` is 0 for a regression; `training` is the number of training
 * rows; `field` is the model's path, such as `models[0]`.
 */
export function checkTreeModel(model: TreeSettings, spec: TrainingSpec, classes: number, training: number, field: string): SpecProblem[] {
  const problems = [...checkMonotone(model, spec, classes, field), ...checkSize(model, classes, training, field)];
  if (classes === 0 && model.classWeight !== 'none') {
    problems.push({ field: `${field}.classWeight`, message: 'The target is a number and has no classes to weigh.', remedy: 'Give none.' });
  }
  if (model.family === 'boosted_trees' && model.loss === 'absolute') {
    if (classes > 0) {
      problems.push({ field: `${field}.loss`, message: 'The absolute error measures numbers, and the target has classes.', remedy: 'Leave the loss out.' });
    } else if (constrained(model).length > 0) {
      problems.push({
        field: `${field}.loss`,
        message: 'Leaves that take medians cannot hold to monotone constraints.',
        remedy: 'Use the squared loss, or remove the constraints.',
      });
    }
  }
  return problems;
}

const constrained = ({ monotoneConstraints: { increasing, decreasing } }: TreeSettings) => [
  ...increasing.map((name, at) => ({ name, path: `increasing[${at}]` })),
  ...decreasing.map((name, at) => ({ name, path: `decreasing[${at}]` })),
];

function checkMonotone(model: TreeSettings, spec: TrainingSpec, classes: number, field: string): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const seen = new Set<string>();
  const numbers = spec.inputFeatures.filter(({ type }) => type === 'number').map(({ name }) => name);
  for (const { name, path } of constrained(model)) {
    const own = `${field}.monotoneConstraints.${path}`;
    const feature = spec.inputFeatures.find((input) => input.name === name);
    if (!feature) {
      problems.push({ field: own, message: `"${name}" is not among the input features.`, remedy: 'Remove it, or add it to the input features.' });
    } else if (feature.type !== 'number') {
      problems.push({
        field: own,
        message: `"${name}" is a ${feature.type}, and only numbers rise and fall.`,
        remedy: numbers.length > 0 ? `Choose among: ${numbers.slice(0, 20).join(', ')}.` : 'Remove it.',
      });
    }
    if (seen.has(name)) problems.push({ field: own, message: `"${name}" is constrained twice.`, remedy: 'Remove one of the two.' });
    seen.add(name);
  }
  if (seen.size > 0 && classes > 2) {
    problems.push({
      field: `${field}.monotoneConstraints`,
      message: `The target has ${classes} classes, whose probabilities cannot all rise and fall together.`,
      remedy: 'Remove the constraints, or predict a number or two classes.',
    });
  }
  return problems;
}

function checkSize(model: TreeSettings, classes: number, training: number, field: string): SpecProblem[] {
  const perRow = classes > 2 ? classes : 1;
  const [setting, rounds] = model.family === 'boosted_trees' ? (['numIterations', model.numIterations] as const) : (['numTrees', model.numTrees] as const);
  const trees = model.family === 'boosted_trees' ? rounds * perRow : rounds;
  const valuesPerLeaf = model.family === 'boosted_trees' ? 1 : perRow;
  const leaves = Math.max(1, Math.min(model.numLeaves, 2 ** (model.maxDepth ?? Infinity), Math.floor(training / model.minDataInLeaf)));
  const allowed = Math.min(maxLeaves, Math.floor(maxLeafValues / valuesPerLeaf));
  if (trees * leaves <= allowed) return [];
  const fewer = Math.floor(allowed / trees);
  return [{
    field: `${field}.numLeaves`,
    message: `${trees} trees of up to ${leaves} leaves are more than a model may have (${allowed} leaves in all).`,
    remedy: fewer >= 2 ? `Give at most ${fewer} leaves, fewer ${setting}, or more minDataInLeaf.` : `Give fewer ${setting}.`,
  }];
}
