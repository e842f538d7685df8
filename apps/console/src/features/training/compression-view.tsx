import { Card } from '../../design/card.tsx';
import { Facts } from '../../design/facts.tsx';
import { formatBytes, formatNumber } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import type { Trial } from './leaderboard.tsx';
import { changeText, pointsText, sizeWords, stepsText, timeWords } from './optimisation-view.tsx';

interface Cost {
  sizeBytes: number;
  sizeGzBytes: number;
  predTimeMsP50: number | null;
}

/** As the worker leaves it in the metrics of a trial. */
interface Compression {
  steps: Parameters<typeof stepsText>[0];
  maxLoss: number;
  loss: { loss: number; lower: number; upper: number; rows: number } | null;
  bound: { atMost: number | null } | null;
  score: number | null;
  uncompressedScore: number | null;
  cost: Cost | null;
  uncompressedCost: Cost | null;
  warning: { message: string; remedy: string } | null;
  /** none of runs from before there were any */
  findings?: { code: string; message: string; remedy: string }[];
}

/** Of a run that compressed what it had chosen: both models side by side, and why the smaller one is not the version where it is not. */
export function CompressionCards({ trials }: { trials: readonly Trial[] }) {
  const compression = trials.map(({ metrics }) => (metrics ?? {}) as { compression?: Compression }).find((metrics) => metrics.compression)?.compression;
  if (!compression) return null;
  const { steps, warning, findings = [], maxLoss, loss, bound, score, uncompressedScore, cost, uncompressedCost } = compression;
  return (
    <>
      {warning && (
        <Notice tone="warn" title={warning.message}>
          {warning.remedy}
        </Notice>
      )}
      {findings.map(({ code, message, remedy }) => (
        <Notice key={code} tone="warn" title={message}>
          {remedy}
        </Notice>
      ))}
      {cost && uncompressedCost && (
        <Card title="Compression" description={stepsText(steps)}>
          <Facts
            facts={[
              ['Size', changed(formatBytes(uncompressedCost.sizeBytes), formatBytes(cost.sizeBytes), uncompressedCost.sizeBytes, cost.sizeBytes, sizeWords)],
              ['Packed size', changed(formatBytes(uncompressedCost.sizeGzBytes), formatBytes(cost.sizeGzBytes), uncompressedCost.sizeGzBytes, cost.sizeGzBytes, sizeWords)],
              ['Time for one row', changed(`${formatNumber(uncompressedCost.predTimeMsP50)} ms`, `${formatNumber(cost.predTimeMsP50)} ms`, uncompressedCost.predTimeMsP50, cost.predTimeMsP50, timeWords)],
              ['Score', `${formatNumber(uncompressedScore)} → ${formatNumber(score)}`],
              ['Points', loss ? `${pointsText(loss)} on ${loss.rows} rows` : '–'],
              ['Lost at most', bound?.atMost == null ? 'too few rows to tell' : `${formatNumber(Math.max(0, bound.atMost))} points, where ${formatNumber(maxLoss)} are allowed`],
            ]}
          />
        </Card>
      )}
    </>
  );
}

/** `12 kB → 4 kB · 3.0× smaller` */
function changed(before: string, now: string, from: number | null, to: number | null, words: Parameters<typeof changeText>[2]): string {
  const change = changeText(from, to, words);
  return change === null ? `${before} → ${now}` : `${before} → ${now} · ${change}`;
}
