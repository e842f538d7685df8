import { formatCount, formatNumber } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Waterfall } from '../../design/waterfall.tsx';
import type { ExplainMutation } from '../../gql/graphql.ts';

export type Explained = Extract<ExplainMutation['explain'], { __typename: 'ExplainSuccess' }>;
export type ExplanationShown = Explained['explanation'];

/** Inputs with a line of their own; those that added less are one line together. */
const mostLines = 12;

interface ExplanationViewProps {
  explained: Pick<Explained, 'explanation' | 'costUnits'>;
  /** base64 of the picture that was explained */
  picture: string | null;
}

/** What each input has added to an answer, and how far that can be believed. */
export function ExplanationView({ explained: { explanation, costUnits }, picture }: ExplanationViewProps) {
  const { attributions, baseValue, answer, method, warnings, class: className } = explanation;
  const of = className === null ? 'the answer' : `the probability of “${className}”`;
  return (
    <div className="space-y-4">
      <p className="text-sm text-steel-700">
        {picture === null
          ? `From what is usual to ${of} for this row, input by input.`
          : `Painted over with one colour, the picture has ${formatNumber(baseValue)} as ${of}; as it is, ${formatNumber(answer)}.`}
      </p>
      {picture !== null && Array.isArray(explanation.heatMap) ? (
        <PictureMap picture={picture} rows={explanation.heatMap as number[][]} of={of} />
      ) : (
        <Waterfall
          label={`What adds up to ${of}`}
          start={{ label: 'Usual', value: baseValue, text: formatNumber(baseValue) }}
          steps={linesOf(attributions)}
          end={{ label: className ?? 'Answer', value: answer, text: formatNumber(answer) }}
        />
      )}
      <p data-testid="faithfulness" className="text-sm text-steel-700">
        {faithfulnessText(explanation)}
      </p>
      {warnings.map((warning) => (
        <Notice key={warning} tone="warn" title="With care">
          {warning}
        </Notice>
      ))}
      <p className="text-xs text-steel-500">
        {methodText(method)} {formatCount(method.evaluations)} evaluations of the model, {formatCount(costUnits)} cost units.
        {method.isExact || method.hasConverged ? '' : ' The estimate has not settled yet: small differences between inputs mean nothing.'}
      </p>
    </div>
  );
}

/** The largest first. */
export function linesOf(attributions: ExplanationShown['attributions']): { label: string; value: number; text: string }[] {
  const sorted = [...attributions].sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
  const shown = sorted.length > mostLines + 1 ? sorted.slice(0, mostLines) : sorted;
  const rest = sorted.slice(shown.length);
  const lines = shown.map(({ name, value, data, standardError }) => ({
    label: `${name} = ${data === null ? 'missing' : typeof data === 'number' ? formatNumber(data) : String(data)}`,
    value,
    text: `${signed(value)}${standardError > 0 ? ` ± ${formatNumber(standardError)}` : ''}`,
  }));
  if (rest.length === 0) return lines;
  const value = rest.reduce((sum, one) => sum + one.value, 0);
  return [...lines, { label: `${rest.length} others`, value, text: signed(value) }];
}

const signed = (value: number): string => `${value > 0 ? '+' : value < 0 ? '−' : ''}${formatNumber(Math.abs(value))}`;

/** The score in plain words. */
export function faithfulnessText({ faithfulness, faithfulnessReason }: Pick<ExplanationShown, 'faithfulness' | 'faithfulnessReason'>): string {
  if (faithfulness === null) return `There is no score of this explanation. ${faithfulnessReason ?? ''}`.trim();
  const score = `Faithfulness ${faithfulness.toFixed(2)}`;
  if (faithfulness >= 0.9) return `${score}: when inputs are replaced by usual ones, the model answers as the explanation says.`;
  if (faithfulness >= 0.6) return `${score}: when inputs are replaced by usual ones, the model answers mostly as the explanation says; some inputs act together.`;
  return `${score}: inputs act together so much that no sum of single parts tells what the model does. Read it with care.`;
}

function methodText({ name, backgroundRows, isExact }: ExplanationShown['method']): string {
  const way = { additive: 'A sum of single inputs', tree_shap: 'Through the trees', exact_enumeration: 'Over all sets of inputs', permutation_sampling: 'Sampled over orders of the inputs' }[name] ?? name;
  return `${way}, ${isExact ? 'exact' : 'estimated'} against ${formatCount(backgroundRows)} usual ${backgroundRows === 1 ? 'row' : 'rows'};`;
}

/** The picture under a grid: what speaks for the answer in one colour, what speaks against it in the other. */
function PictureMap({ picture, rows, of }: { picture: string; rows: number[][]; of: string }) {
  const largest = Math.max(...rows.flat().map(Math.abs), Number.MIN_VALUE);
  const columns = rows[0]?.length ?? 0;
  return (
    <figure>
      <div className="relative inline-block max-w-full">
        <img src={`data:image/png;base64,${picture}`} alt="The picture that was explained" className="block min-w-40 max-w-full rounded border border-steel-200" />
        <svg viewBox={`0 0 ${columns} ${rows.length}`} preserveAspectRatio="none" role="img" aria-label={`Which parts of the picture speak for ${of}`} className="absolute inset-0 h-full w-full">
          {rows.flatMap((row, y) =>
            row.map((value, x) => (
              <rect key={`${x},${y}`} x={x} y={y} width="1" height="1" className={value >= 0 ? 'fill-accent-600' : 'fill-warn-700'} fillOpacity={(Math.abs(value) / largest) * 0.7}>
                <title>{signed(value)}</title>
              </rect>
            )),
          )}
        </svg>
      </div>
      <figcaption className="mt-2 flex gap-4 text-xs text-steel-600">
        <span>
          <span className="mr-1.5 inline-block size-2.5 rounded-sm bg-accent-600" aria-hidden="true" />
          speaks for it
        </span>
        <span>
          <span className="mr-1.5 inline-block size-2.5 rounded-sm bg-warn-700" aria-hidden="true" />
          speaks against it
        </span>
      </figcaption>
    </figure>
  );
}
