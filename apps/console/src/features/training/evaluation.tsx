import { HeatMap } from '../../design/heat-map.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import { ForecastFigures, type ForecastEvaluation } from './forecast-view.tsx';

interface ClassScore {
  label: string;
  precision: number;
  recall: number;
  f1: number;
  support: number;
}

export type Evaluation =
  | {
      type: 'classification';
      rows: number;
      accuracy: number;
      balancedAccuracy: number;
      precision: number;
      recall: number;
      f1: number;
      positiveClass: string | null;
      perClass: ClassScore[];
      rocAuc: number | null;
      logLoss: number;
      confusionMatrix: { labels: string[]; counts: number[][] };
    }
  | { type: 'regression'; rows: number; rmse: number; mae: number; r2: number | null }
  | ForecastEvaluation;

/** The scores in a JSON field; null where there are none, or of a kind that this console does not know. */
export function evaluationOf(json: unknown): Evaluation | null {
  const type = typeof json === 'object' && json !== null && 'type' in json ? json.type : null;
  return type === 'classification' || type === 'regression' || type === 'forecasting' ? (json as Evaluation) : null;
}

/** The one number by which people speak of a result: F1 for classes, RMSE for numbers, MASE for forecasts. */
export function headline(json: unknown): string {
  const evaluation = evaluationOf(json);
  if (!evaluation) return '–';
  if (evaluation.type === 'forecasting') return `MASE ${formatNumber(evaluation.mase)}`;
  return evaluation.type === 'classification' ? `F1 ${formatNumber(evaluation.f1)}` : `RMSE ${formatNumber(evaluation.rmse)}`;
}

/** Scores on held-back rows, beside those of the simplest answer there is. */
export function EvaluationView({ evaluation, baseline }: { evaluation: Evaluation; baseline: Evaluation | null }) {
  if (evaluation.type === 'forecasting') return <ForecastFigures evaluation={evaluation} baseline={baseline?.type === 'forecasting' ? baseline : null} />;
  return (
    <div className="space-y-6">
      <div className="grid grid-cols-2 gap-6 sm:grid-cols-3 xl:grid-cols-6">
        {figuresOf(evaluation, baseline).map((figure) => (
          <Figure key={figure.label} {...figure} />
        ))}
      </div>
      {evaluation.type === 'classification' && (
        <div className="grid gap-x-10 gap-y-6 border-t border-steel-100 pt-5 xl:grid-cols-2">
          <div className="min-w-0">
            <h3 className="mb-3 text-[13px] font-semibold text-steel-700">Confusion matrix</h3>
            <HeatMap
              rowTitle="Actual"
              columnTitle="Predicted"
              labels={evaluation.confusionMatrix.labels}
              counts={evaluation.confusionMatrix.counts}
            />
          </div>
          <div className="min-w-0">
            <h3 className="mb-3 text-[13px] font-semibold text-steel-700">By class</h3>
            <div className="overflow-hidden rounded-md border border-steel-200">
              <Table
                caption="Scores by class"
                rows={evaluation.perClass}
                keyOf={(score) => score.label}
                columns={[
                  { header: 'Class', cell: (score) => <span className="font-medium text-steel-900">{score.label}</span> },
                  { header: 'Precision', align: 'right', cell: (score) => formatNumber(score.precision) },
                  { header: 'Recall', align: 'right', cell: (score) => formatNumber(score.recall) },
                  { header: 'F1', align: 'right', cell: (score) => formatNumber(score.f1) },
                  { header: 'Rows', align: 'right', cell: (score) => formatCount(score.support) },
                ]}
              />
            </div>
          </div>
        </div>
      )}
    </div>
  );
}

function figuresOf(evaluation: Exclude<Evaluation, ForecastEvaluation>, baseline: Evaluation | null) {
  if (evaluation.type === 'regression') {
    const simple = baseline?.type === 'regression' ? baseline : null;
    return [
      { label: 'RMSE', value: formatNumber(evaluation.rmse), note: simple && `baseline ${formatNumber(simple.rmse)}` },
      { label: 'MAE', value: formatNumber(evaluation.mae), note: simple && `baseline ${formatNumber(simple.mae)}` },
      { label: 'R²', value: formatNumber(evaluation.r2), note: simple && `baseline ${formatNumber(simple.r2)}` },
      { label: 'Test rows', value: formatCount(evaluation.rows), note: null },
    ];
  }
  const simple = baseline?.type === 'classification' ? baseline : null;
  const about = evaluation.positiveClass === null ? 'mean of the classes' : `of “${evaluation.positiveClass}”`;
  return [
    { label: 'Accuracy', value: formatShare(evaluation.accuracy), note: simple && `baseline ${formatShare(simple.accuracy)}` },
    { label: 'F1', value: formatNumber(evaluation.f1), note: about },
    { label: 'Precision', value: formatNumber(evaluation.precision), note: about },
    { label: 'Recall', value: formatNumber(evaluation.recall), note: about },
    { label: 'ROC AUC', value: formatNumber(evaluation.rocAuc), note: evaluation.positiveClass === null ? 'one against the rest' : null },
    { label: 'Log loss', value: formatNumber(evaluation.logLoss), note: `${formatCount(evaluation.rows)} test rows` },
  ];
}
