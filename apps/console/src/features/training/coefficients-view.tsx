import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatCount, formatNumber } from '../../design/format.ts';
import { SignedBars } from '../../design/signed-bars.tsx';

interface Term {
  feature: string;
  value: string | null;
  weight: number;
  effect: number;
}

interface Output {
  label: string | null;
  intercept: number;
  terms: Term[];
  more: number;
}

/** The weights in a trial's metrics; null of a model that is no weighted sum. */
function coefficientsIn(metrics: unknown): Output[] | null {
  const { coefficients } = (metrics ?? {}) as { coefficients?: { outputs?: Output[] } };
  return Array.isArray(coefficients?.outputs) && coefficients.outputs.length > 0 ? coefficients.outputs : null;
}

/** What each input adds to the answer of a linear model, the largest first. */
export function CoefficientsCard({ name, metrics }: { name: string; metrics: unknown }) {
  const outputs = coefficientsIn(metrics);
  const [chosen, setChosen] = useState(0);
  const output = outputs?.[chosen] ?? outputs?.[0];
  if (!outputs || !output) return null;
  const unit = output.label === null ? 'in the unit of the target' : `in log-odds of “${output.label}”`;
  return (
    <Card title={`Weights of ${name}`} description={`What one more of an input adds, ${unit}. Bars are for one standard deviation, so that they compare.`}>
      <div className="space-y-4">
        {outputs.length > 1 && (
          <SelectField
            label="Class"
            className="max-w-xs"
            value={String(chosen)}
            choices={outputs.map(({ label }, index) => ({ value: String(index), label: label ?? '' }))}
            onValue={(value) => setChosen(Number(value))}
          />
        )}
        <SignedBars
          label={`Weights of ${name}`}
          bars={output.terms.map(({ feature, value, weight, effect }) => ({
            label: value === null ? feature : `${feature} = ${value === '' ? '(empty)' : value}`,
            value: effect,
            text: formatNumber(weight),
          }))}
        />
        <p className="text-[13px] text-steel-600">
          Constant term {formatNumber(output.intercept)}
          {output.more > 0 && `; ${formatCount(output.more)} smaller weights are not shown`}.
        </p>
        <p className="text-[13px] text-steel-500">
          A weight says how the answer moves when its input moves and all others stay. Inputs that go together share their weights, almost by chance, so a small weight does not mean an unimportant
          column, and no weight says what causes what.
        </p>
      </div>
    </Card>
  );
}
