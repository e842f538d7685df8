import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatCount, formatNumber } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Table } from '../../design/table.tsx';
import { TargetReportDocument, type ColumnFieldsFragment, type TargetReportQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { WarningList } from './warning-list.tsx';

type Column = Pick<ColumnFieldsFragment, 'name' | 'type' | 'flags'>;
type Report = NonNullable<NonNullable<TargetReportQuery['dataset']>['latestVersion']>['targetReport'];
type Association = Report['associations'][number];

/** How the columns go with one that is to be predicted: asked for, since it reads the table. */
export function TargetCard({ datasetId, columns }: { datasetId: string; columns: readonly Column[] }) {
  const [target, setTarget] = useState('');
  const column = columns.find(({ name }) => name === target);
  return (
    <Card title="With a target in mind" description="How the other columns go with what is to be predicted, and which give it away.">
      <SelectField
        label="Column to be predicted"
        className="mb-4 max-w-sm"
        value={target}
        onValue={setTarget}
        choices={[{ value: '', label: 'Choose a column' }, ...columns.filter(({ type }) => type !== 'DATE' && type !== 'TEXT').map(({ name }) => ({ value: name, label: name }))]}
      />
      {column && <Answer key={column.name} datasetId={datasetId} column={column} />}
    </Card>
  );
}

function Answer({ datasetId, column }: { datasetId: string; column: Column }) {
  const type = column.type === 'NUMBER' && !column.flags.includes('two_valued') ? 'NUMBER' : 'CATEGORY';
  const query = useQuery(TargetReportDocument, { variables: { id: datasetId, target: column.name, type } });
  return (
    <Loaded what="the report" query={query}>
      {({ dataset }) => {
        const report = dataset?.latestVersion?.targetReport;
        if (!report) return null;
        return (
          <div className="space-y-4">
            {report.leaks.map((leak) => (
              <Notice key={leak.columns.join(' ')} tone="bad" title={leak.message}>
                {leak.remedy}
              </Notice>
            ))}
            <WarningList label="Warnings about the target" warnings={report.warnings} hasFields />
            <Table
              caption={`How the columns go with ${column.name}`}
              rows={[...report.associations].sort((a, b) => strengthOf(b) - strengthOf(a))}
              keyOf={(row) => row.column}
              isMarked={(row) => report.leaks.some(({ columns }) => columns.includes(row.column))}
              columns={[
                { header: 'Column', cell: (row) => <span className="font-medium text-steel-900">{row.column}</span> },
                { header: type === 'NUMBER' ? 'Pearson' : 'Correlation ratio', align: 'right', cell: (row) => shown(type === 'NUMBER' ? row.pearson : row.correlationRatio) },
                { header: type === 'NUMBER' ? 'Spearman' : 'Cramér’s V', align: 'right', cell: (row) => shown(type === 'NUMBER' ? row.spearman : row.cramersV) },
                ...(type === 'NUMBER' ? [{ header: 'Correlation ratio', align: 'right' as const, cell: (row: Association) => shown(row.correlationRatio) }] : []),
                { header: 'Alone', align: 'right', cell: (row) => shown(row.alone) },
              ]}
            />
            <p className="text-xs text-steel-500">
              Worked out on {formatCount(report.rowsUsed)} rows. “Alone” is what a rule on that column reaches on rows it has not seen: the area under the ROC curve for two classes, the balanced accuracy for more, R² for numbers.
            </p>
          </div>
        );
      }}
    </Loaded>
  );
}

function strengthOf({ pearson, spearman, correlationRatio, cramersV }: Association): number {
  return Math.max(...[pearson, spearman, correlationRatio, cramersV].map((value) => Math.abs(value ?? 0)));
}

function shown(value: number | null): string {
  return value === null ? '–' : formatNumber(value);
}
