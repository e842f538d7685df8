import { Bars } from '../../design/bars.tsx';
import { Card } from '../../design/card.tsx';
import { formatCount, formatNumber } from '../../design/format.ts';

interface Importance {
  measure: 'log_loss' | 'rmse';
  baseline: number;
  rows: number;
  repeats: number;
  inputs: { name: string; increase: number; standardError: number }[];
}

const mostBars = 20;

/** The importance of inputs in a version's metrics; null where it was not measured. */
function importanceIn(metrics: unknown): Importance | null {
  const { importance } = (metrics ?? {}) as { importance?: Importance };
  return importance && Array.isArray(importance.inputs) && importance.inputs.length > 0 ? importance : null;
}

/** Which inputs a version leans on, the most important first. */
export function ImportanceCard({ number, metrics }: { number: number; metrics: unknown }) {
  const importance = importanceIn(metrics);
  if (!importance) return null;
  const sorted = [...importance.inputs].sort((one, other) => other.increase - one.increase);
  const what = importance.measure === 'rmse' ? 'RMSE, in the unit of the target,' : 'log loss';
  return (
    <Card title={`What version ${number} leans on`} description={`By how much the ${what} rises on ${formatCount(importance.rows)} test rows when the values of one input are dealt out anew among them.`}>
      <div className="space-y-4">
        <Bars
          label="Importance of the inputs"
          max={Math.max(...sorted.map(({ increase }) => increase))}
          bars={sorted.slice(0, mostBars).map(({ name, increase, standardError }) => ({ label: name, value: Math.max(0, increase), text: `${formatNumber(increase)} ± ${formatNumber(standardError)}` }))}
        />
        <p className="text-[13px] text-steel-500">
          {sorted.length > mostBars && `${formatCount(sorted.length - mostBars)} inputs that matter less are not shown. `}
          Without shuffling it is {formatNumber(importance.baseline)}. Of inputs that go together, each stands in for the others, so that both may seem to matter little.
        </p>
      </div>
    </Card>
  );
}
