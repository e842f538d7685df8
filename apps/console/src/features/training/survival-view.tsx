import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { Curve } from '../../design/curve.tsx';
import { Figure } from '../../design/facts.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';

export interface SurvivalEvaluation {
  type: 'survival';
  rows: number;
  observed: number;
  concordance: number | null;
  integratedBrier: number | null;
  brierUntil: number | null;
  censoredLogLikelihood: number | null;
  maeObserved: number | null;
  coverageObserved: number | null;
}

interface Group {
  name: 'all' | 'short' | 'middle' | 'long';
  rows: number;
  observed: (number | null)[];
  predicted: number[];
}

const groupNames = { all: 'All test rows', short: 'The third with the shortest predictions', middle: 'The third in between', long: 'The third with the longest predictions' };

/** How well times are told, beside the Kaplan-Meier curve. */
export function SurvivalFigures({ evaluation, baseline }: { evaluation: SurvivalEvaluation; baseline: SurvivalEvaluation | null }) {
  const beside = (value: number | null | undefined) => (baseline ? `baseline ${formatNumber(value)}` : null);
  const figures = [
    { label: 'Brier score', value: formatNumber(evaluation.integratedBrier), note: beside(baseline?.integratedBrier) },
    { label: 'Concordance', value: formatNumber(evaluation.concordance), note: 'share of pairs in the right order' },
    { label: 'Log likelihood', value: formatNumber(evaluation.censoredLogLikelihood), note: evaluation.censoredLogLikelihood === null ? 'a curve has none' : 'of a row' },
    { label: 'MAE of ends', value: formatNumber(evaluation.maeObserved), note: beside(baseline?.maeObserved) },
    { label: 'Within the interval', value: formatShare(evaluation.coverageObserved), note: 'of the ends seen, long ones missing' },
    { label: 'Test rows', value: formatCount(evaluation.rows), note: `${formatCount(evaluation.observed)} saw an end` },
  ];
  return (
    <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 xl:grid-cols-6">
      {figures.map((figure) => (
        <Figure key={figure.label} {...figure} />
      ))}
    </div>
  );
}

/** The share still running over time, as it was said and as it came; nothing for other models. */
export function SurvivalCard({ name, metrics }: { name: string; metrics: unknown }) {
  const { survivalChart: chart, warnings = [] } = (metrics ?? {}) as { survivalChart?: { times: number[]; groups: Group[] }; warnings?: string[] };
  const [chosen, setChosen] = useState<Group['name']>('all');
  if (!chart) return null;
  const group = chart.groups.find((own) => own.name === chosen) ?? chart.groups[0]!;
  return (
    <Card title="Survival" description={`${name}. The share still running over time, among rows that took no part in training.`}>
      <div className="space-y-4">
        {warnings.length > 0 && (
          <Notice tone="warn" title="Not every candidate could be trained">
            {warnings.join(' ')}
          </Notice>
        )}
        {chart.groups.length > 1 && (
          <SelectField
            label="Rows"
            className="max-w-xs"
            value={group.name}
            choices={chart.groups.map((own) => ({ value: own.name, label: `${groupNames[own.name]} (${formatCount(own.rows)})` }))}
            onValue={(value) => setChosen(value as Group['name'])}
          />
        )}
        <Curve
          label={`Share still running over time, ${groupNames[group.name].toLowerCase()}: predicted, and observed by the Kaplan-Meier curve`}
          xLabel="Time"
          x={chart.times}
          lines={[
            { label: 'Predicted (%)', values: group.predicted.map((share) => share * 100) },
            { label: 'Observed (%)', values: group.observed.map((share) => (share === null ? null : share * 100)), isDashed: true },
          ]}
        />
      </div>
    </Card>
  );
}
