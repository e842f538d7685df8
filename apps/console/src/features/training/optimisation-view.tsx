import { useState } from 'react';
import { Badge } from '../../design/badge.tsx';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatBytes, formatNumber, words } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import { TradeOff, type TradeOffPoint } from '../../design/trade-off.tsx';
import type { Trial } from './leaderboard.tsx';
import { familyName } from './run-state.tsx';

type Step = { method: string } & Record<string, unknown>;

interface Measured {
  loss: { loss: number; lower: number; upper: number; rows: number } | null;
  validationLoss: number | null;
  reason: string | null;
  chosenOn: string | null;
}

interface Candidate {
  trial: Trial;
  steps: readonly Step[];
  measured: Measured;
}

const axes = {
  size: { name: 'Size', label: 'Size of the package', cost: ({ sizeBytes }: Trial) => sizeBytes, format: formatBytes },
  sizeGz: { name: 'Compressed size', label: 'Size of the package, compressed', cost: ({ sizeGzBytes }: Trial) => sizeGzBytes, format: formatBytes },
  latency: { name: 'Time', label: 'Median time of a prediction for one row', cost: ({ predTimeMsP50 }: Trial) => predTimeMsP50, format: formatMs },
} as const;
type Axis = keyof typeof axes;

/** `0.12 ms` */
function formatMs(ms: number | string): string {
  return `${formatNumber(Number(ms))} ms`;
}

/** Of a run that makes a version from another: every candidate, by what it costs and what it loses. */
export function OptimisationCards({ trials, optimisation, chosen, onChoose }: { trials: readonly Trial[]; optimisation: { target?: string | null; maxLoss?: number | null }; chosen: number; onChoose(trial: number): void }) {
  const [axis, setAxis] = useState<Axis>(optimisation.target === 'LATENCY' ? 'latency' : 'size');
  const candidates = trials.flatMap((trial) => candidateOf(trial) ?? []);
  const { label, cost, format } = axes[axis];
  const points = candidates.flatMap((candidate): TradeOffPoint[] => {
    const { trial, steps, measured } = candidate;
    const value = Number(cost(trial) ?? 0);
    const loss = steps.length === 0 ? 0 : measured.loss?.loss;
    if (!(value > 0) || loss === undefined) return [];
    return [{ key: trial.number, label: stepsText(steps), cost: value, loss, interval: measured.loss, role: steps.length === 0 ? 'base' : trial.best ? 'chosen' : 'other' }];
  });
  if (candidates.length === 0) return null;
  const rows = candidates.find(({ measured }) => measured.loss)?.measured.loss?.rows;
  return (
    <>
      {points.length > 1 && (
        <Card
          title="Size, time and score"
          description={`Against the version that was the base, on ${rows === undefined ? 'the same' : `${rows} test`} rows. Bars are 95 % confidence intervals.`}
        >
          <SelectField
            label="Compare by" className="mb-3 max-w-xs" value={axis} onValue={(value) => setAxis(value as Axis)}
            choices={Object.entries(axes).map(([value, { name }]) => ({ value, label: name }))}
          />
          <TradeOff
            label={`Points lost against ${label.toLowerCase()}, ${points.length} candidates`}
            costLabel={label} lossLabel="Points against the base" formatCost={format} points={points} limit={optimisation.maxLoss ?? null}
          />
        </Card>
      )}
      <Card title="Candidates" description="Choose one to see its scores." isFlush>
        <CandidateTable candidates={candidates} chosen={chosen} onChoose={onChoose} />
      </Card>
    </>
  );
}

function CandidateTable({ candidates, chosen, onChoose }: { candidates: readonly Candidate[]; chosen: number; onChoose(trial: number): void }) {
  const base = candidates.find(({ steps }) => steps.length === 0)?.trial;
  const rank = ({ trial, steps }: Candidate) => Number(trial.best) * 2 + Number(steps.length === 0);
  const ranked = [...candidates].sort((a, b) => rank(b) - rank(a) || a.trial.number - b.trial.number);
  return (
    <Table
      caption="Candidates"
      rows={ranked}
      keyOf={({ trial }) => trial.number}
      isMarked={({ trial }) => trial.number === chosen}
      columns={[
        {
          header: 'Steps',
          cell: ({ trial, steps, measured }) => (
            <div>
              <span className="flex items-center gap-2">
                <button type="button" className="link text-left" aria-pressed={trial.number === chosen} onClick={() => onChoose(trial.number)}>{stepsText(steps)}</button>
                {trial.best && <Badge tone="good">Chosen</Badge>}
              </span>
              {measured.reason && <span className="text-[13px] text-steel-500">{measured.reason}</span>}
            </div>
          ),
        },
        { header: 'Family', className: 'whitespace-nowrap', cell: ({ trial }) => familyName(trial.family) },
        { header: 'score_test', hint: 'The score that is compared, on the test rows', align: 'right', className: 'whitespace-nowrap', cell: ({ trial }) => formatNumber(trial.scoreTest) },
        { header: 'Points', hint: 'Against the base; with its 95 % confidence interval', align: 'right', className: 'whitespace-nowrap', cell: ({ steps, measured: { loss } }) => (steps.length === 0 || !loss ? '–' : pointsText(loss)) },
        { header: 'size_bytes', hint: 'Size of the package', align: 'right', className: 'whitespace-nowrap', cell: ({ trial }) => withRatio(formatBytes(trial.sizeBytes), base?.sizeBytes, trial.sizeBytes, sizeWords) },
        { header: 'size_gz', hint: 'Size of the package, compressed', align: 'right', className: 'whitespace-nowrap', cell: ({ trial }) => withRatio(formatBytes(trial.sizeGzBytes), base?.sizeGzBytes, trial.sizeGzBytes, sizeWords) },
        { header: 'pred_time_ms_p50', hint: 'Median time for one row', align: 'right', className: 'whitespace-nowrap', cell: ({ trial }) => withRatio(formatNumber(trial.predTimeMsP50), base?.predTimeMsP50, trial.predTimeMsP50, timeWords) },
        { header: 'fit_time_s', hint: 'Time to make it', align: 'right', className: 'whitespace-nowrap', cell: ({ trial }) => formatNumber(trial.fitTimeSeconds) },
      ]}
    />
  );
}

function candidateOf(trial: Trial): Candidate | null {
  const { optimisation } = (trial.metrics ?? {}) as { optimisation?: Measured };
  const { steps } = (trial.parameters ?? {}) as { steps?: Step[] };
  return optimisation && Array.isArray(steps) ? { trial, steps, measured: optimisation } : null;
}

/** `1.2 kB · 4.1× smaller`, or larger, against the base. */
function withRatio(text: string, before: number | string | null | undefined, now: number | string | null | undefined, words: ChangeWords): string {
  const change = changeText(before, now, words);
  return change === null ? text : `${text} · ${change}`;
}

type ChangeWords = readonly [less: string, more: string];
export const sizeWords: ChangeWords = ['smaller', 'larger'];
export const timeWords: ChangeWords = ['faster', 'slower'];

/** `4.1× smaller` or `1.3× larger`, whichever it became; null where that is nothing to speak of. */
export function changeText(before: number | string | null | undefined, now: number | string | null | undefined, [less, more]: ChangeWords): string | null {
  const [from, to] = [Number(before ?? 0), Number(now ?? 0)];
  if (!(from > 0) || !(to > 0)) return null;
  const ratio = (Math.max(from, to) / Math.min(from, to)).toFixed(1);
  return ratio === '1.0' ? null : `${ratio}× ${to < from ? less : more}`;
}

/** `−0.2 (−0.9 to +0.4)`: less is worse. */
export function pointsText({ loss, lower, upper }: { loss: number; lower: number; upper: number }): string {
  return `${signed(-loss)} (${signed(-upper)} to ${signed(-lower)})`;
}

export const signed = (value: number): string => (Math.abs(value) < 0.005 ? '0' : `${value > 0 ? '+' : '−'}${Math.abs(value).toFixed(Math.abs(value) < 1 ? 2 : 1)}`);

/** `Prune units (keep 0.5), quantise (to int8)`; the base for nothing. */
export function stepsText(steps: readonly Step[]): string {
  if (steps.length === 0) return 'Base';
  const text = steps.map(({ method, ...settings }) => {
    const told = Object.entries(settings).map(([name, value]) => `${words(name).toLowerCase()} ${Array.isArray(value) ? value.join('–') : typeof value === 'number' ? formatNumber(value) : String(value)}`);
    return `${words(method).toLowerCase()}${told.length ? ` (${told.join(', ')})` : ''}`;
  }).join(', ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
