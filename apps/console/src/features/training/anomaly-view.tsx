import { Badge } from '../../design/badge.tsx';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Table } from '../../design/table.tsx';

export interface AnomalyEvaluation {
  type: 'anomaly_detection';
  rows: number;
  reported: number;
  falseAlarmRate: number | null;
  massVolume: number;
  anomalies: number | null;
  rocAuc: number | null;
  prAuc: number | null;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  cost: number | null;
}

interface UnusualRow {
  row: number;
  score: number;
  isAnomaly: boolean;
  wasAnomaly: boolean | null;
  values: { name: string; value: string | number | null; contribution: number | null }[];
}

interface AnomalyReport {
  threshold: number;
  falseAlarmRate: number;
  anomalousClass: string | null;
  histogram: { edges: number[]; usual: number[]; anomalous: number[] };
  rows: UnusualRow[];
}

/** Of a trial's scores: how they lie about the threshold; null where it is no anomaly detection. */
function anomaliesOf(metrics: unknown): { report: AnomalyReport; warnings: string[] } | null {
  const { anomalies, warnings } = (metrics ?? {}) as { anomalies?: AnomalyReport; warnings?: string[] };
  return anomalies?.histogram ? { report: anomalies, warnings: warnings ?? [] } : null;
}

/** The one number by which people speak of a detector: how well it ranks, or without a label how small it makes the usual. */
export function anomalyHeadline({ prAuc, massVolume }: AnomalyEvaluation): string {
  return prAuc === null ? `Mass volume ${formatNumber(massVolume)}` : `PR AUC ${formatNumber(prAuc)}`;
}

/** The figures on the test rows, beside those of scoring every row alike. */
export function AnomalyFigures({ evaluation, baseline }: { evaluation: AnomalyEvaluation; baseline: AnomalyEvaluation | null }) {
  const { anomalies, rows, reported, falseAlarmRate, massVolume, cost } = evaluation;
  const beside = (value: number | null | undefined) => (baseline ? `baseline ${formatNumber(value)}` : null);
  const judged = anomalies === null ? [] : [
    { label: 'PR AUC', value: formatNumber(evaluation.prAuc), note: beside(baseline?.prAuc) },
    { label: 'ROC AUC', value: formatNumber(evaluation.rocAuc), note: beside(baseline?.rocAuc) },
    { label: 'Precision', value: formatShare(evaluation.precision), note: 'of the rows reported' },
    { label: 'Recall', value: formatShare(evaluation.recall), note: `of ${formatCount(anomalies)} anomalies` },
    { label: 'F1', value: formatNumber(evaluation.f1), note: 'at the threshold' },
    ...(cost === null ? [] : [{ label: 'Cost per row', value: formatNumber(cost), note: beside(baseline?.cost) }]),
  ];
  const figures = [
    ...judged,
    { label: 'Reported', value: formatShare(reported), note: `of ${formatCount(rows)} test rows` },
    ...(anomalies === null ? [] : [{ label: 'False alarms', value: formatShare(falseAlarmRate), note: 'of the normal test rows' }]),
    { label: 'Mass volume', value: formatNumber(massVolume), note: 'of what counts as usual; 1 is all' },
  ];
  return (
    <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 xl:grid-cols-6">
      {figures.map((figure) => (
        <Figure key={figure.label} {...figure} />
      ))}
    </div>
  );
}

/** Scores with the threshold among them, and the test rows that are the least like others. */
export function AnomalyCards({ name, metrics }: { name: string; metrics: unknown }) {
  const found = anomaliesOf(metrics);
  if (!found) return null;
  const { report, warnings } = found;
  const hasLabel = report.anomalousClass !== null;
  const hasContributions = report.rows.some(({ values }) => values.some(({ contribution }) => contribution !== null));
  return (
    <>
      <Card
        title="Scores"
        description={`${name}, on the test rows. Rows above ${formatNumber(report.threshold)} are reported; of normal ones, ${formatShare(report.falseAlarmRate)} are expected to be.`}
      >
        <div className="space-y-4">
          {warnings.length > 0 && (
            <Notice tone="warn" title="Worth knowing">
              {warnings.join(' ')}
            </Notice>
          )}
          <ScoreHistogram report={report} />
        </div>
      </Card>
      <Card title="Most unusual test rows" description={hasContributions ? 'With what adds most to the score.' : 'This family does not tell which column it is.'} isFlush>
        <Table
          caption="Most unusual test rows"
          rows={report.rows}
          keyOf={({ row }) => row}
          columns={[
            { header: 'Row', align: 'right', cell: ({ row }) => formatCount(row) },
            { header: 'Score', align: 'right', cell: ({ score }) => formatNumber(score) },
            { header: 'Reported', cell: ({ isAnomaly }) => (isAnomaly ? <Badge tone="warn">Reported</Badge> : null) },
            ...(hasLabel ? [{ header: 'Was', cell: ({ wasAnomaly }: UnusualRow) => (wasAnomaly === null ? 'not known' : wasAnomaly ? <Badge tone="bad">Anomaly</Badge> : 'normal') }] : []),
            {
              header: 'Values',
              className: 'text-[13px] text-steel-600',
              cell: ({ values }) => values.map(({ name: column, value, contribution }) => `${column} ${valueText(value)}${contribution === null ? '' : ` (${formatNumber(contribution)})`}`).join(', '),
            },
          ]}
        />
      </Card>
    </>
  );
}

const valueText = (value: string | number | null): string => (value === null ? 'missing' : typeof value === 'number' ? formatNumber(value) : value);

/** Counts by score, on a root scale: the few far ones are what it is about. */
function ScoreHistogram({ report: { histogram, threshold, anomalousClass } }: { report: AnomalyReport }) {
  const { edges, usual, anomalous } = histogram;
  const [first, last] = [edges[0]!, edges.at(-1)!];
  const rootOf = (count: number) => Math.sqrt(count);
  const highest = Math.max(1, ...usual.map((count, bar) => rootOf(count + anomalous[bar]!)));
  const width = 100 / usual.length;
  const at = Math.min(100, Math.max(0, ((threshold - first) / (last - first || 1)) * 100));
  const above = usual.reduce((sum, count, bar) => sum + (edges[bar]! >= threshold ? count + anomalous[bar]! : 0), 0);
  return (
    <figure>
      <div className="mb-2 flex flex-wrap gap-x-5 gap-y-1 text-[13px] text-steel-600">
        <Key className="bg-accent-400">{anomalousClass === null ? 'Rows' : 'Other rows'}</Key>
        {anomalousClass !== null && <Key className="bg-bad-700">{`Anomalies (${anomalousClass})`}</Key>}
        <Key className="bg-steel-700">Threshold</Key>
      </div>
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={`Scores from ${formatNumber(first)} to ${formatNumber(last)} and above; threshold ${formatNumber(threshold)}, about ${formatCount(above)} rows beyond it`} className="h-40 w-full">
        {usual.map((count, bar) => {
          const [whole, lower] = [(rootOf(count + anomalous[bar]!) / highest) * 38, (rootOf(count) / highest) * 38];
          const title = `${formatNumber(edges[bar])} ${bar === usual.length - 1 ? 'and above' : `to ${formatNumber(edges[bar + 1])}`}: ${count}${anomalous[bar]! > 0 ? `, and ${anomalous[bar]} anomalies` : ''}`;
          return (
            <g key={bar}>
              <title>{title}</title>
              <rect x={bar * width + width * 0.06} y={39 - whole} width={width * 0.88} height={whole - lower} className="fill-bad-700" />
              <rect x={bar * width + width * 0.06} y={39 - lower} width={width * 0.88} height={lower} className="fill-accent-400" />
            </g>
          );
        })}
        <line x1="0" y1="39.5" x2="100" y2="39.5" className="stroke-steel-300" strokeWidth="0.7" />
        <line data-testid="threshold" x1={at} y1="0" x2={at} y2="39.5" className="stroke-steel-700" strokeWidth="0.4" />
      </svg>
      <figcaption className="mt-1 flex justify-between text-xs text-steel-500 tabular-nums">
        <span>{formatNumber(first)}</span>
        <span>Height by the root of the number of rows</span>
        <span>{formatNumber(last)} and above</span>
      </figcaption>
    </figure>
  );
}

function Key({ className, children }: { className: string; children: string }) {
  return (
    <span className="inline-flex items-center gap-2">
      <span className={`size-2.5 rounded-sm ${className}`} aria-hidden="true" />
      {children}
    </span>
  );
}
