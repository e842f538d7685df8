import { useState, type FormEvent } from 'react';
import { Bars } from '../../design/bars.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatNumber, formatShare } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { PredictDocument } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { IntervalBar } from './interval-bar.tsx';
import { SignatureForm } from './signature-form.tsx';
import { UnseenValues, type UnseenValue } from './unseen-values.tsx';
import { WhyView } from './why-view.tsx';
import { answerOf, exampleRow, readRow, type Answer, type Row, type RowDraft, type RowProblem, type Signature } from './signature.ts';

interface TryFormProps {
  endpoint: string;
  signature: Signature;
  draft: RowDraft;
  onDraft(draft: RowDraft): void;
}

interface Answered {
  row: Row;
  answer: Answer;
  modelVersion: number;
  requestId: string;
  warnings: readonly UnseenValue[];
  /** that the row asked about; null where it asked for none */
  horizon: number | null;
}

/** Asks the served model about one row, through the same door as any other program. */
export function TryForm({ endpoint, signature, draft, onDraft }: TryFormProps) {
  const predict = useVerb(PredictDocument);
  const [problems, setProblems] = useState<readonly RowProblem[]>([]);
  const [answered, setAnswered] = useState<Answered | null>(null);
  const fields = new Set(signature.inputs.map(({ name }) => name));
  const refused = predict.refusal?.problems ?? [];

  /** What was wrong with a row says nothing about the next one. */
  function edit(next: RowDraft) {
    setProblems([]);
    predict.reset();
    onDraft(next);
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    const read = readRow(signature, draft);
    setProblems(read.type === 'incomplete' ? read.problems : []);
    if (read.type === 'incomplete') return;
    const predicted = await predict.run({ input: { endpoint, rows: [read.row] } });
    const answer = predicted && answerOf(signature, predicted.predictions[0]);
    const asked = read.row['horizon'];
    const horizon = typeof asked === 'number' ? asked : null;
    setAnswered(predicted && answer ? { row: read.row, answer, modelVersion: predicted.modelVersion, requestId: predicted.requestId, warnings: predicted.warnings, horizon } : null);
  }

  return (
    <div className="grid gap-6 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <Card title="Try the model" description="One field for each input. The values in it are an example.">
        <form noValidate onSubmit={(event) => void submit(event)} className="space-y-5">
          <RefusalNotice
            refusal={predict.refusal}
            problems={refused.filter(({ field }) => !fields.has(field)).map((problem) => ({ ...problem, row: null }))}
          />
          <SignatureForm
            signature={signature}
            draft={draft}
            problemAt={(field) => [...problems, ...refused].find((problem) => problem.field === field) ?? null}
            onDraft={edit}
          />
          <div className="flex justify-end gap-2">
            <Button onClick={() => edit(exampleRow(signature))}>Example values</Button>
            <Button type="submit" kind="primary" isPending={predict.isPending}>
              Predict
            </Button>
          </div>
        </form>
      </Card>
      <Card title="Prediction">
        <div aria-live="polite">
          {answered ? <div className="space-y-5"><AnswerView signature={signature} answered={answered} /><WhyView key={answered.requestId} endpoint={endpoint} signature={signature} row={answered.row} /></div> : <p className="text-steel-500">Press Predict to ask the model.</p>}
        </div>
      </Card>
    </div>
  );
}

function AnswerView({ signature: { output, forecast, survival, personalisation, anomaly }, answered: { answer, modelVersion, requestId, warnings, horizon } }: { signature: Signature; answered: Answered }) {
  return (
    <div className="space-y-5">
      {answer.items ? (
        <ItemsAnswer name={output.name} items={answer.items} excludesSeen={output.excludesSeen ?? false} />
      ) : (<div>
        <p className="text-[13px] text-steel-500">{output.name}</p>
        <p data-testid="prediction" className="text-3xl font-semibold tracking-tight break-words text-steel-900">
          {typeof answer.prediction === 'number' ? formatNumber(answer.prediction) : answer.prediction}
        </p>
      </div>)}
      {answer.interval && typeof answer.prediction === 'number' && (
        <IntervalBar coverage={(forecast ?? survival)?.intervalCoverage ?? output.interval?.coverage ?? null} value={answer.prediction} interval={answer.interval} />
      )}
      {answer.survival !== undefined && (
        <p className="text-sm text-steel-700">
          {formatShare(answer.survival)} to go on beyond {formatNumber(horizon ?? survival?.horizon)}.
        </p>
      )}
      {answer.isPersonalised !== undefined && personalisation && (
        <p className="text-sm text-steel-700">{answer.isPersonalised ? `Answered by the head of this ${personalisation.column}.` : 'Answered by the shared model: there is no head for this row.'}</p>
      )}
      {forecast && (
        <p className="text-sm text-steel-700">
          Steps of {forecast.frequency} after {forecast.lastObservation.replace('T00:00:00.000Z', '')}.
        </p>
      )}
      {answer.anomaly && anomaly && (
        <>
          <p className="text-sm text-steel-700">
            <span data-testid="is-anomaly" className="font-medium">
              {answer.anomaly.isAnomaly ? 'Unusual: above' : 'Usual: not above'}
            </span>{' '}
            the threshold {formatNumber(anomaly.threshold)}, which {formatShare(anomaly.falseAlarmRate)} of normal rows are expected to pass.
          </p>
          {answer.anomaly.contributions && (
            <Bars
              label="What adds to the score"
              max={Math.max(...answer.anomaly.contributions.map(({ value }) => value))}
              bars={answer.anomaly.contributions.map(({ label, value }, index) => ({ label, value, text: formatNumber(value), isMarked: index === 0 }))}
            />
          )}
        </>
      )}
      {answer.probabilities && (
        <Bars
          label="Probabilities"
          max={1}
          bars={answer.probabilities.map(({ label, probability }, index) => ({
            label,
            value: probability,
            text: formatShare(probability),
            isMarked: index === 0,
          }))}
        />
      )}
      <UnseenValues warnings={warnings} />
      <p className="border-t border-steel-100 pt-3 text-xs break-all text-steel-500">
        Answered by version {modelVersion} · request {requestId}
      </p>
    </div>
  );
}

/** Scores tell the order within one answer; their bars begin at the lowest of it. */
function ItemsAnswer({ name, items, excludesSeen }: { name: string; items: NonNullable<Answer['items']>; excludesSeen: boolean }) {
  const lowest = Math.min(0, ...items.map(({ score }) => score));
  return (
    <div className="space-y-3">
      <p className="text-[13px] text-steel-500">
        {name}, best first{excludesSeen ? ', without what was had' : ''}
      </p>
      {items.length === 0 ? (
        <p className="text-steel-500">There is nothing left to recommend.</p>
      ) : (
        <Bars
          label="Recommendations"
          max={Math.max(...items.map(({ score }) => score - lowest))}
          bars={items.map(({ item, score }, index) => ({ label: item, value: score - lowest, text: formatNumber(score), isMarked: index === 0 }))}
        />
      )}
    </div>
  );
}
