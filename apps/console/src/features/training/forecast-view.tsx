import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import type { Column } from '../../design/table.tsx';
import { TimeChart } from '../../design/time-chart.tsx';

export interface ForecastEvaluation {
  type: 'forecasting';
  series: number;
  origins: number;
  points: number;
  mase: number | null;
  smape: number;
  rmse: number;
  mae: number;
  coverage: number | null;
  pinball: number | null;
}

type Line = (number | null)[];

interface ForecastSeries {
  name: string;
  times: string[];
  actual: Line;
  backTest: Line;
  point: Line;
  lower: Line;
  upper: Line;
}

/** Of a trial's scores: what its forecast looks like; null where it is no forecast. */
function forecastOf(metrics: unknown): { series: ForecastSeries[]; warnings: string[] } | null {
  const { chart, warnings } = (metrics ?? {}) as { chart?: { series?: ForecastSeries[] }; warnings?: string[] };
  return chart?.series && chart.series.length > 0 ? { series: chart.series, warnings: warnings ?? [] } : null;
}

/** What a leaderboard shows of forecasts beside their score: how honest their intervals were. Empty where there are none. */
export function forecastColumns<Trial extends { metrics: unknown }>(trials: readonly Trial[]): Column<Trial>[] {
  const testOf = ({ metrics }: { metrics?: unknown }) => (metrics as { test?: Partial<ForecastEvaluation> } | null)?.test;
  if (!trials.some((trial) => testOf(trial)?.type === 'forecasting')) return [];
  const shape = { align: 'right', className: 'whitespace-nowrap' } as const;
  return [
    { header: 'coverage', hint: 'Share of the test values within the interval', ...shape, cell: (trial) => formatShare(testOf(trial)?.coverage) },
    { header: 'pinball', hint: 'Mean loss of the two ends of the interval on the test values', ...shape, cell: (trial) => formatNumber(testOf(trial)?.pinball) },
  ];
}

/** The figures of forecasts of the past, beside those of the seasonal naive one. */
export function ForecastFigures({ evaluation, baseline }: { evaluation: ForecastEvaluation; baseline: ForecastEvaluation | null }) {
  const beside = (value: number | null | undefined) => (baseline ? `baseline ${formatNumber(value)}` : null);
  const figures = [
    { label: 'MASE', value: formatNumber(evaluation.mase), note: beside(baseline?.mase) },
    { label: 'sMAPE', value: `${formatNumber(evaluation.smape)} %`, note: baseline && `baseline ${formatNumber(baseline.smape)} %` },
    { label: 'RMSE', value: formatNumber(evaluation.rmse), note: beside(baseline?.rmse) },
    { label: 'MAE', value: formatNumber(evaluation.mae), note: beside(baseline?.mae) },
    { label: 'Within the interval', value: formatShare(evaluation.coverage), note: evaluation.coverage === null ? 'too few values to test it' : 'of the test values' },
    { label: 'Pinball loss', value: formatNumber(evaluation.pinball), note: `${formatCount(evaluation.points)} test values` },
  ];
  return (
    <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 xl:grid-cols-6">
      {figures.map((figure) => (
        <Figure key={figure.label} {...figure} />
      ))}
    </div>
  );
}

/** What was, what was forecast of it, and what is forecast to come. */
export function ForecastCard({ name, metrics }: { name: string; metrics: unknown }) {
  const forecast = forecastOf(metrics);
  const [chosen, setChosen] = useState(0);
  if (!forecast) return null;
  const { series, warnings } = forecast;
  const { name: seriesName, times, actual, backTest, point, lower, upper } = series[Math.min(chosen, series.length - 1)]!;
  return (
    <Card title="Forecast" description={`${name}. The last of the back-tests is drawn over what came.`}>
      <div className="space-y-4">
        {warnings.length > 0 && (
          <Notice tone="warn" title="What was done to the data">
            {warnings.join(' ')}
          </Notice>
        )}
        {point.every((value) => value === null) && (
          <Notice title="It depends on what is known in advance">
            The data do not have these columns for the steps to come, so nothing can be drawn. Ask the version with them, or add rows without a target value that have them.
          </Notice>
        )}
        {series.length > 1 && (
          <SelectField label="Series" className="max-w-xs" value={String(chosen)} choices={series.map((own, index) => ({ value: String(index), label: own.name }))} onValue={(value) => setChosen(Number(value))} />
        )}
        <TimeChart
          label={`Values and forecast${seriesName ? ` of ${seriesName}` : ''}: ${point.filter((value) => value !== null).length} steps ahead`}
          times={times}
          band={{ label: 'Interval', lower, upper }}
          lines={[
            { label: 'Values', values: actual },
            { label: 'Back-test', values: backTest, isDashed: true },
            { label: 'Forecast', values: point },
          ]}
        />
      </div>
    </Card>
  );
}
