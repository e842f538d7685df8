import { Badge } from '../../design/badge.tsx';
import { Bars } from '../../design/bars.tsx';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';

interface GroupReport {
  group: string;
  fitRows: number;
  proofRows: number;
  base: number;
  head: number;
  isKept: boolean;
  testRows: number;
  baseScore: number | null;
  score: number | null;
}

interface Personalisation {
  column: string;
  shrinkage: number;
  base: Record<string, unknown>;
  groups: number;
  heads: number;
  personalisedRows: number;
  proof: { rows: number; base: number; personalised: number };
  byGroup: GroupReport[];
}

const mostBars = 20;

/** What heads made of a trial; null where it has none. */
function personalisationOf(metrics: unknown): Personalisation | null {
  return (metrics as { personalisation?: Personalisation } | null)?.personalisation ?? null;
}

/** The shared model's own figure on the test rows, to stand beside `score_test`; null where there are no heads. */
export function baseScoreOf(metrics: unknown): number | null {
  const { selectionMetric } = (metrics ?? {}) as { selectionMetric?: string };
  const value = personalisationOf(metrics)?.base[selectionMetric ?? ''];
  return typeof value === 'number' ? value : null;
}

const gainOf = ({ base, head }: GroupReport) => (base > 0 ? (base - head) / base : 0);

/** What the heads gain, in all and for each group; nothing for a model without. */
export function PersonalisationCard({ name, metrics, scoreTest }: { name: string; metrics: unknown; scoreTest: number | null }) {
  const report = personalisationOf(metrics);
  if (!report) return null;
  const { column, groups, heads, personalisedRows, proof, byGroup } = report;
  const kept = byGroup.filter(({ isKept }) => isKept);
  const figures = [
    { label: 'Shared model', value: formatNumber(baseScoreOf(metrics)), note: 'score_test without heads' },
    { label: 'With heads', value: formatNumber(scoreTest), note: 'score_test of what is published' },
    { label: 'Heads in use', value: formatCount(heads), note: `of ${formatCount(groups)} values of ${column}` },
    { label: 'Rows with a head', value: formatCount(personalisedRows), note: 'of the test rows' },
    { label: 'Loss on proof rows', value: formatNumber(proof.personalised), note: `${formatNumber(proof.base)} without heads` },
  ];
  return (
    <Card title="Personalisation" description={`${name}. A head for each ${column}, where rows that neither it nor the shared model learnt from prove it better.`}>
      <div className="space-y-6">
        <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 xl:grid-cols-5">
          {figures.map((figure) => (
            <Figure key={figure.label} {...figure} />
          ))}
        </div>
        {kept.length > 0 && (
          <div className="border-t border-steel-100 pt-5">
            <h3 className="mb-3 text-[13px] font-semibold text-steel-700">Loss saved on the proof rows, by {column}</h3>
            <Bars label={`Loss saved by ${column}`} max={1} bars={kept.slice(0, mostBars).map((own) => ({ label: own.group, value: gainOf(own), text: formatShare(gainOf(own)) }))} />
          </div>
        )}
        <div className="overflow-hidden rounded-md border border-steel-200">
          <Table
            caption={`Heads by ${column}`}
            rows={byGroup}
            keyOf={({ group }) => group}
            columns={[
              { header: column, cell: (own) => <span className="font-medium text-steel-900">{own.group === '' ? '(empty)' : own.group}</span> },
              { header: 'Head', cell: (own) => (own.isKept ? <Badge tone="good">In use</Badge> : <span className="text-steel-500">not proven</span>) },
              { header: 'Rows to learn', align: 'right', cell: (own) => formatCount(own.fitRows) },
              { header: 'Rows to prove', align: 'right', cell: (own) => formatCount(own.proofRows) },
              { header: 'Loss, shared', align: 'right', cell: (own) => formatNumber(own.base) },
              { header: 'Loss, head', align: 'right', cell: (own) => formatNumber(own.head) },
              { header: 'Test rows', align: 'right', cell: (own) => formatCount(own.testRows) },
              { header: 'score_base', align: 'right', cell: (own) => formatNumber(own.baseScore) },
              { header: 'score_test', align: 'right', cell: (own) => formatNumber(own.score) },
            ]}
          />
        </div>
      </div>
    </Card>
  );
}
