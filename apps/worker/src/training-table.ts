import { splitColumnOf } from '@millrace/configuration';
import { readTable, type Table as StoredTable } from '@millrace/datasets';
import type { ColumnData, Table } from '@millrace/learning';
import type { TrainerJob } from './trainer-protocol.ts';

/** Columns as training takes them: a picture, of which there is one at most, lies beside the others. */
export function asTable({ rows, columns }: StoredTable<ColumnData['type'] | 'image'>): Table {
  const pictures = columns.find((column) => column.type === 'image');
  const others = columns.filter((column) => column.type !== 'image');
  return { rows, columns: others, ...(pictures ? { pictures } : {}) };
}

/** What a model of one of the families learns from: features, target, and what rows are divided by or heads are for. */
export async function readTrainingTable({ spec, datasetPath }: Pick<TrainerJob, 'spec' | 'datasetPath'>): Promise<Table> {
  const features = [...spec.inputFeatures, ...spec.outputFeatures];
  // What rows are divided by need not be learned from. As words it has an order whatever its type: see `splitByOf`.
  const splitColumn = splitColumnOf(spec);
  const asides = new Set([splitColumn, spec.personalisation?.column ?? null].filter((name) => name !== null && !features.some((feature) => feature.name === name)));
  return asTable(await readTable(datasetPath, [...features, ...[...asides].map((name) => ({ name: name!, type: 'category' as const }))]));
}
