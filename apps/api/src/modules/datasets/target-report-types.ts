import type { Association, FileWarning, Leak, TargetReport } from '@millrace/datasets';
import { builder } from '../../schema-builder.ts';

/** How a target is predicted. */
export const targetTypeEnum = builder.enumType('TargetType', {
  description: 'How a target is predicted.',
  values: {
    NUMBER: { value: 'number', description: 'As a quantity.' },
    CATEGORY: { value: 'category', description: 'As one of several classes.' },
    BINARY: { value: 'binary', description: 'As one of two classes.' },
  } as const,
});

export const columnWarningType = builder.objectRef<FileWarning>('ColumnWarning').implement({
  description: 'Something to look at before training.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stable, in snake_case.' }),
    field: t.exposeString('field', { description: 'The column’s name; file for what is about the whole table.' }),
    message: t.exposeString('message', { description: 'What was noticed.' }),
    remedy: t.string({ nullable: true, description: 'What to do about it; null where the message says so.', resolve: ({ remedy }) => remedy ?? null }),
  }),
});

export const leakType = builder.objectRef<Leak>('Leak').implement({
  description: 'Columns that give the target away: probably known only once the target is.',
  fields: (t) => ({
    kind: t.exposeString('kind', { description: 'alone, value (one value always means the same class) or sum (two columns together are the target).' }),
    columns: t.exposeStringList('columns', { description: 'All of them are needed for it.' }),
    message: t.exposeString('message', { description: 'How they do it.' }),
    remedy: t.exposeString('remedy', { description: 'What to do about it.' }),
  }),
});

const associationType = builder.objectRef<Association>('Association').implement({
  description: 'How a column goes with the target. What doesn’t apply to the kinds of the two is null.',
  fields: (t) => ({
    column: t.exposeString('column', { description: 'The column.' }),
    pearson: t.exposeFloat('pearson', { nullable: true, description: 'Number with number, -1 to 1.' }),
    spearman: t.exposeFloat('spearman', { nullable: true, description: 'Number with number, -1 to 1: of the ranks.' }),
    correlationRatio: t.exposeFloat('correlationRatio', { nullable: true, description: 'η, number with classes, 0 to 1.' }),
    cramersV: t.exposeFloat('cramersV', { nullable: true, description: 'Classes with classes, 0 to 1, corrected for chance.' }),
    alone: t.exposeFloat('alone', {
      nullable: true,
      description: 'What a rule on this column alone reaches on rows it has not seen: AUC for two classes, balanced accuracy for more, R² for numbers.',
    }),
  }),
});

export const targetReportType = builder.objectRef<TargetReport>('TargetReport').implement({
  description: 'How the columns of a data set version go with a target.',
  fields: (t) => ({
    rowsUsed: t.exposeInt('rowsUsed', { description: 'Rows that it was worked out on, spread evenly over those with a known target.' }),
    associations: t.expose('associations', { type: [associationType], description: 'One a column, in the order of the file.' }),
    leaks: t.expose('leaks', { type: [leakType], description: 'A run that uses such columns is refused unless it acknowledges them.' }),
    warnings: t.expose('warnings', { type: [columnWarningType], description: 'What else a good engineer would look at first.' }),
  }),
});
