import { z } from 'zod';
import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';

const columnName = z.string().min(1).max(256);

/** The block of a training configuration that gives each machine, line or customer a small head over the shared model. */
export const personalisationSchema = z
  .strictObject({
    column: columnName.meta({ title: 'Group', description: 'The column that tells machines, lines or customers apart. The shared model does not read it.' }),
    minRows: z.int().min(10).max(1_000_000).default(50).meta({ title: 'Rows of a group', description: 'A group with fewer rows to learn from gets no head: the shared model answers for it.' }),
    share: z.number().min(0.1).max(0.6).default(0.3).meta({
      title: 'Share for heads',
      description: 'Of the rows of each such group: kept from the shared model, so that heads are learned and proven on rows that it has not seen.',
    }),
    inputs: z.array(columnName).max(8).default([]).meta({ title: 'Inputs of heads', description: 'Numbers among the input features that act otherwise in each group. Without any, a head moves and stretches the answer only.' }),
  })
  .meta({
    title: 'Personalisation',
    description: 'A small head for each machine, line or customer over one shared model, used where it is proven better and nowhere else.',
  });

export type PersonalisationSettings = z.output<typeof personalisationSchema>;

/** A model lists all groups that it knows. */
const maxGroups = 10_000;

interface PersonalisedSpec {
  personalisation: PersonalisationSettings;
  forecast?: unknown;
  survival?: unknown;
  anomaly?: unknown;
  recommendation?: unknown;
  inputFeatures: { name: string; type: string }[];
  outputFeatures: { name: string }[];
  split: { type?: string | undefined; column?: string | undefined; trainFraction: number };
}

/** What stands in the way of heads for these groups, with field and remedy. */
export function checkPersonalisation(spec: PersonalisedSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { personalisation: { column: name, minRows, inputs }, split } = spec;
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  if (spec.inputFeatures.some(({ type }) => type === 'image')) {
    report('personalisation', 'A model that reads pictures takes nothing else, so no group either.', 'Remove the block.');
    return problems;
  }
  const other = spec.forecast ? 'a forecast' : spec.survival ? 'a survival model' : spec.anomaly ? 'an anomaly detection' : spec.recommendation ? 'a recommendation' : null;
  if (other) {
    report('personalisation', `Heads correct numbers and classes, and ${other} gives other answers.`, 'Remove the block.');
    return problems;
  }
  const field = 'personalisation.column';
  const column = columns.find((own) => own.name === name);
  const inputAt = spec.inputFeatures.findIndex((input) => input.name === name);
  if (!column) problems.push(unknownColumn(field, name, columns));
  else if (name === spec.outputFeatures[0]!.name) report(field, `"${name}" is the target.`, 'Choose the column that names the group.');
  else if (column.type === 'date' || column.type === 'image') report(field, `"${name}" is a ${column.type} column.`, 'Choose a column that names the group.');
  else if (column.distinct < 2) report(field, `"${name}" has ${column.distinct === 0 ? 'no values' : 'one value only'}.`, 'Choose a column that tells groups apart.');
  else if (column.distinct > maxGroups) report(field, `"${name}" tells ${column.distinct} groups apart; at most ${maxGroups} can be.`, 'Choose a coarser column.');
  else if (column.counts && !column.counts.some(({ count }) => count * split.trainFraction >= minRows)) {
    report('personalisation.minRows', `No value of "${name}" has ${minRows} rows to learn from: no group would get a head.`, 'Ask for fewer rows of a group, or remove the block.');
  }
  if (inputAt >= 0) report(`inputFeatures[${inputAt}].name`, `"${name}" tells the groups apart, which the heads do.`, 'Remove it from the input features, or remove the personalisation.');
  if (split.type === 'grouped' && split.column === name) {
    report('split.column', `A split that keeps the groups of "${name}" apart tests on groups that have no head.`, 'Split at random, by time or by another column.');
  }
  inputs.forEach((input, index) => {
    const own = `personalisation.inputs[${index}]`;
    if (!spec.inputFeatures.some((feature) => feature.name === input && feature.type === 'number')) report(own, `"${input}" is no number among the input features.`, 'Remove it, or add it to the input features.');
    else if (inputs.indexOf(input) < index) report(own, `"${input}" is listed twice.`, 'Remove one of the two.');
  });
  return problems;
}
