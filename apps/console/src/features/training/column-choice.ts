import type { ColumnType, TrainingColumnsQuery } from '../../gql/graphql.ts';

export type TrainingColumn = NonNullable<NonNullable<TrainingColumnsQuery['dataset']>['latestVersion']>['columns'][number];

/** How a training configuration uses a column. */
export type FeatureType = 'number' | 'category' | 'binary' | 'date' | 'image';

export interface ColumnChoice {
  isUsed: boolean;
  type: FeatureType;
}

export type ColumnChoices = Record<string, ColumnChoice>;

const featureTypes: Partial<Record<ColumnType, FeatureType>> = { NUMBER: 'number', CATEGORY: 'category', BINARY: 'binary', DATE: 'date', IMAGE: 'image' };

/** Free text cannot be learnt from. */
export function isUsable(column: Pick<TrainingColumn, 'type'>): boolean {
  return featureTypes[column.type] !== undefined;
}

/** Why a column is left out at first, in words; null if it is not. */
export function reasonToLeaveOut(column: Pick<TrainingColumn, 'type' | 'flags'>): string | null {
  if (!isUsable(column)) return 'Free text: a new row would hardly have one that was seen before.';
  if (column.flags.includes('empty')) return 'Has no values.';
  if (column.flags.includes('constant')) return 'Always the same value.';
  if (column.type === 'DATE') return 'A point in time: use it if the season, the hour or the trend matters.';
  if (column.flags.includes('identifier')) return 'Names the row instead of describing it.';
  return null;
}

/** A first proposal: every column that can help, each with the type that its values have. */
export function proposeChoices(columns: readonly TrainingColumn[]): ColumnChoices {
  return Object.fromEntries(
    columns.map((column) => [column.name, { isUsed: reasonToLeaveOut(column) === null, type: featureTypes[column.type] ?? 'category' }]),
  );
}

/** Points in time and pictures cannot be predicted. */
export function canBeTarget(column: Pick<TrainingColumn, 'type'>): boolean {
  return isUsable(column) && column.type !== 'DATE' && column.type !== 'IMAGE';
}

/** How a column can be used: dates and pictures as such, and nothing else as these. */
export function typesFor(column: Pick<TrainingColumn, 'type'>): FeatureType[] {
  if (column.type === 'IMAGE') return ['image'];
  return column.type === 'DATE' ? ['date'] : ['number', 'category', 'binary'];
}

/** Tables mostly have what is to be predicted in the last column. */
export function proposeTarget(columns: readonly TrainingColumn[]): string {
  return columns.findLast((column) => reasonToLeaveOut(column) === null && canBeTarget(column))?.name ?? '';
}

/** What the target's values ask for: two values are a yes or no even where they are written as 0 and 1. */
export function proposeTargetType(column: Pick<TrainingColumn, 'type' | 'flags'> | undefined): FeatureType {
  if (!column) return 'category';
  return column.flags.includes('two_valued') ? 'binary' : (featureTypes[column.type] ?? 'category');
}

/** The features to send, in the order of the file. */
export function featuresOf(columns: readonly TrainingColumn[], choices: ColumnChoices, target: string): { name: string; type: FeatureType }[] {
  return columns.flatMap(({ name }) => {
    const choice = choices[name];
    return choice?.isUsed && name !== target ? [{ name, type: choice.type }] : [];
  });
}

/** The families that learn from these columns: one has eyes, the others have not. A baseline looks at nothing. */
export function familiesFor<Family extends { properties?: Record<string, { const?: unknown }> }>(families: readonly Family[], columns: readonly Pick<TrainingColumn, 'type'>[]): Family[] {
  const hasPictures = columns.some(({ type }) => type === 'IMAGE');
  return families.filter(({ properties }) => {
    const name = properties?.['family']?.const;
    return name === 'baseline' || (name === 'convolutional') === hasPictures;
  });
}
