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

/** What a model learns from: features and target, the label of an anomaly or a time, whether its end was seen, and what rows are divided by or heads are for. */
export async function readTrainingTable({ spec, datasetPath }: Pick<TrainerJob, 'spec' | 'datasetPath'>): Promise<Table> {
  const features = [...spec.inputFeatures, ...spec.outputFeatures];
  // These need not be learned from. As words they have an order whatever their type: see `splitByOf`.
  const asides = new Set([spec.survival?.eventColumn, splitColumnOf(spec), spec.personalisation?.column].filter((name) => name != null && !features.some((feature) => feature.name === name)));
  return asTable(await readTable(datasetPath, [...features, ...[...asides].map((name) => ({ name: name!, type: 'category' as const }))]));
}
