import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatBytes, formatNumber } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import { VersionComparisonDocument, type VersionComparisonQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { scoreName } from './score-name.ts';

type Comparison = NonNullable<VersionComparisonQuery['versionComparison']>;

interface Row {
  name: string;
  left: string;
  right: string;
  better: string | null;
}

/** All rows of a comparison: scores, then whatever else is not the same. */
export function rowsOf({ scores, signature, parameters, sameData, left, right }: Comparison): Row[] {
  const number = (value: number | null | undefined) => (value == null ? '–' : formatNumber(value));
  return [
    ...scores.map((score) => ({ name: scoreName(score.name), left: number(score.left), right: number(score.right), better: score.better ?? null })),
    { name: 'Size', left: formatBytes(left.sizeBytes), right: formatBytes(right.sizeBytes), better: null },
    { name: 'Size, compressed', left: formatBytes(left.sizeGzBytes), right: formatBytes(right.sizeGzBytes), better: null },
    { name: 'Data', left: sameData ? 'the same' : 'other data', right: sameData ? 'the same' : 'other data', better: null },
    ...[...parameters, ...signature].map((value) => ({ name: value.name, left: value.left ?? '–', right: value.right ?? '–', better: null })),
  ];
}

/** Two versions of a model side by side. */
export function ComparisonCard({ versions }: { versions: readonly { id: string; number: number }[] }) {
  const [rightId, setRightId] = useState(versions[0]!.id);
  const [leftId, setLeftId] = useState(versions[1]!.id);
  const query = useQuery(VersionComparisonDocument, { variables: { leftId, rightId } });
  const choices = versions.map(({ id, number }) => ({ value: id, label: `Version ${number}` }));
  return (
    <Card title="Compare versions" description="Scores, and whatever else is not the same.">
      <div className="mb-4 grid gap-4 md:grid-cols-2">
        <SelectField label="First" value={leftId} choices={choices} onValue={setLeftId} />
        <SelectField label="Second" value={rightId} choices={choices} onValue={setRightId} />
      </div>
      <Loaded what="the comparison" query={query}>
        {({ versionComparison }) =>
          versionComparison && (
            <Table
              caption="Comparison"
              rows={rowsOf(versionComparison)}
              keyOf={(row) => row.name}
              columns={[
                { header: 'What', cell: (row) => <span className="font-medium text-steel-900">{row.name}</span> },
                { header: `Version ${versionComparison.left.number}`, cell: (row) => <Side text={row.left} isBetter={row.better === 'LEFT'} /> },
                { header: `Version ${versionComparison.right.number}`, cell: (row) => <Side text={row.right} isBetter={row.better === 'RIGHT'} /> },
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  );
}

function Side({ text, isBetter }: { text: string; isBetter: boolean }) {
  return isBetter ? <strong className="text-good-700">{text} <span className="sr-only">(better)</span></strong> : <span className="text-steel-700">{text}</span>;
}
