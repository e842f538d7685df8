import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatCount, formatNumber } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import type { OptimisedFieldsFragment } from '../../gql/graphql.ts';
import { signed, sizeWords, stepsText, timeWords } from '../training/optimisation-view.tsx';

/** What a version was made from, how, and what that gained and cost. */
export function OptimisedCard({ number, optimisation }: { number: number; optimisation: OptimisedFieldsFragment }) {
  const { parentNumber, originNumber, steps, metric, score, parentScore, loss, lossLower, lossUpper, comparedRows, lossFromOrigin } = optimisation;
  const { sizeRatio, sizeGzRatio, latencyRatio } = optimisation;
  const interval = lossLower == null || lossUpper == null ? null : `95 % confidence: ${signed(-lossUpper)} to ${signed(-lossLower)}, ${formatCount(comparedRows ?? 0)} rows`;
  return (
    <Card title={`Version ${number} was made from version ${parentNumber}`} description={summaryOf(optimisation)}>
      <div className="grid grid-cols-2 gap-6 lg:grid-cols-4">
        <Figure label="Size" value={times(sizeRatio)} note={`${wordOf(sizeRatio, sizeWords)}; ${times(sizeGzRatio)} ${wordOf(sizeGzRatio, sizeWords)} compressed`} />
        <Figure label="Time for one row" value={times(latencyRatio)} note={`${wordOf(latencyRatio, timeWords)}, median to median`} />
        <Figure label="Points" value={loss == null ? '–' : signed(-loss)} note={interval} />
        <Figure label={metric} value={formatNumber(score)} note={`parent ${formatNumber(parentScore)}`} />
      </div>
      {optimisation.findings.map(({ code, message, remedy }) => (
        <div key={code} className="mt-4">
          <Notice tone="warn" title={message}>
            {remedy}
          </Notice>
        </div>
      ))}
      <p className="mt-4 text-[13px] text-steel-600">{stepsText(steps as Parameters<typeof stepsText>[0])}.</p>
      {originNumber !== parentNumber && lossFromOrigin != null && (
        <p className="mt-1 text-[13px] text-steel-600">Since version {originNumber}, which was trained: {signed(-lossFromOrigin)} points in all.</p>
      )}
    </Card>
  );
}

/** `4.1× smaller, 1.8× faster, −0.2 points` */
export function summaryOf({ sizeRatio, latencyRatio, loss }: Pick<OptimisedFieldsFragment, 'sizeRatio' | 'latencyRatio' | 'loss'>): string {
  return [
    ...(sizeRatio == null ? [] : [`${times(sizeRatio)} ${wordOf(sizeRatio, sizeWords)}`]),
    ...(latencyRatio == null ? [] : [`${times(latencyRatio)} ${wordOf(latencyRatio, timeWords)}`]),
    ...(loss == null ? [] : [`${signed(-loss)} points`]),
  ].join(', ');
}

/** However many times it became smaller, or larger. */
function times(ratio: number | null | undefined): string {
  if (ratio == null) return '–';
  const most = Math.max(ratio, 1 / ratio);
  return `${most.toFixed(most < 10 ? 1 : 0)}×`;
}

const wordOf = (ratio: number | null | undefined, [less, more]: typeof sizeWords): string => (ratio != null && ratio < 1 ? more : less);
