import { Curve } from '../../design/curve.tsx';
import { HeatMap } from '../../design/heat-map.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import { AnomalyFigures, type AnomalyEvaluation, anomalyHeadline } from './anomaly-view.tsx';
import { ForecastFigures, type ForecastEvaluation } from './forecast-view.tsx';
import { RecommendationFigures, type RecommendationEvaluation } from './recommendation-view.tsx';
import { SurvivalFigures, type SurvivalEvaluation } from './survival-view.tsx';

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
      prAuc?: number | null;
      logLoss: number;
      brier?: number;
      cost?: number | null;
      calibration?: { bins: { predicted: number; observed: number; rows: number }[]; error: number };
      confusionMatrix: { labels: string[]; counts: number[][] };
    }
  | { type: 'regression'; rows: number; rmse: number; mae: number; r2: number | null; mape?: number | null; smape?: number; coverage?: number | null }
  | ForecastEvaluation
  | SurvivalEvaluation
  | AnomalyEvaluation
  | RecommendationEvaluation;

/** The scores in a JSON field; null where there are none, or of a kind that this console does not know. */
export function evaluationOf(json: unknown): Evaluation | null {
  const type = typeof json === 'object' && json !== null && 'type' in json ? json.type : null;
  const known = ['classification', 'regression', 'forecasting', 'survival', 'anomaly_detection', 'recommendation'];
  return typeof type === 'string' && known.includes(type) ? (json as Evaluation) : null;
}

/** The selection metric on the test rows with one value of a category. */
export interface Slice {
  column: string;
  value: string | null;
  rows: number;
  score: number | null;
}

/** The one number by which people speak of a result: F1 for classes, RMSE for numbers, MASE for forecasts, the Brier score for survival, NDCG for recommendations. */
export function headline(json: unknown): string {
  const evaluation = evaluationOf(json);
  if (!evaluation) return '–';
  if (evaluation.type === 'anomaly_detection') return anomalyHeadline(evaluation);
  if (evaluation.type === 'forecasting') return `MASE ${formatNumber(evaluation.mase)}`;
  if (evaluation.type === 'recommendation') return `NDCG@${evaluation.topN} ${formatNumber(evaluation.ndcg)}`;
  if (evaluation.type === 'survival') return `Brier ${formatNumber(evaluation.integratedBrier)}`;
  return evaluation.type === 'classification' ? `F1 ${formatNumber(evaluation.f1)}` : `RMSE ${formatNumber(evaluation.rmse)}`;
}

/** Scores on held-back rows, beside those of the simplest answer there is. */
export function EvaluationView({ evaluation, baseline, slices = [] }: { evaluation: Evaluation; baseline: Evaluation | null; slices?: readonly Slice[] }) {
  if (evaluation.type === 'anomaly_detection') return <AnomalyFigures evaluation={evaluation} baseline={baseline?.type === 'anomaly_detection' ? baseline : null} />;
  if (evaluation.type === 'forecasting') return <ForecastFigures evaluation={evaluation} baseline={baseline?.type === 'forecasting' ? baseline : null} />;
  if (evaluation.type === 'recommendation') return <RecommendationFigures evaluation={evaluation} baseline={baseline?.type === 'recommendation' ? baseline : null} />;
  if (evaluation.type === 'survival') return <SurvivalFigures evaluation={evaluation} baseline={baseline?.type === 'survival' ? baseline : null} />;
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
      {evaluation.type === 'classification' && evaluation.calibration && evaluation.calibration.bins.length > 1 && (
        <div className="border-t border-steel-100 pt-5">
          <h3 className="mb-3 text-[13px] font-semibold text-steel-700">Calibration</h3>
          <Curve
            label={`Calibration: what came true of each tenth of the probabilities; error ${formatShare(evaluation.calibration.error)}`}
            xLabel="Predicted (%)"
            height={220}
            x={evaluation.calibration.bins.map(({ predicted }) => predicted * 100)}
            lines={[
              { label: 'Came true (%)', values: evaluation.calibration.bins.map(({ observed }) => observed * 100) },
              { label: 'If it were exact', values: evaluation.calibration.bins.map(({ predicted }) => predicted * 100), isDashed: true },
            ]}
          />
        </div>
      )}
      {slices.length > 0 && (
        <div className="border-t border-steel-100 pt-5">
          <h3 className="mb-3 text-[13px] font-semibold text-steel-700">By slice</h3>
          <div className="overflow-hidden rounded-md border border-steel-200">
            <Table
              caption="Selection metric by value of a category"
              rows={slices}
              keyOf={(slice) => JSON.stringify([slice.column, slice.value])}
              columns={[
                { header: 'Column', cell: (slice) => slice.column },
                { header: 'Value', cell: (slice) => <span className="font-medium text-steel-900">{slice.value ?? 'missing'}</span> },
                { header: 'Score', align: 'right', cell: (slice) => formatNumber(slice.score) },
                { header: 'Rows', align: 'right', cell: (slice) => formatCount(slice.rows) },
              ]}
            />
          </div>
        </div>
      )}
    </div>
  );
}

function figuresOf(evaluation: Exclude<Evaluation, ForecastEvaluation | SurvivalEvaluation | AnomalyEvaluation | RecommendationEvaluation>, baseline: Evaluation | null) {
  if (evaluation.type === 'regression') {
    const simple = baseline?.type === 'regression' ? baseline : null;
    return [
      { label: 'RMSE', value: formatNumber(evaluation.rmse), note: simple && `baseline ${formatNumber(simple.rmse)}` },
      { label: 'MAE', value: formatNumber(evaluation.mae), note: simple && `baseline ${formatNumber(simple.mae)}` },
      { label: 'R²', value: formatNumber(evaluation.r2), note: simple && `baseline ${formatNumber(simple.r2)}` },
      ...(evaluation.mape == null ? [] : [{ label: 'MAPE', value: formatShare(evaluation.mape), note: 'of the true value' }]),
      ...(evaluation.smape === undefined ? [] : [{ label: 'sMAPE', value: formatShare(evaluation.smape), note: 'of the mean of both' }]),
      ...(evaluation.coverage == null ? [] : [{ label: 'Within the interval', value: formatShare(evaluation.coverage), note: 'of the test rows' }]),
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
    ...(evaluation.prAuc === undefined ? [] : [{ label: 'PR AUC', value: formatNumber(evaluation.prAuc), note: 'average precision' }]),
    { label: 'Balanced accuracy', value: formatShare(evaluation.balancedAccuracy), note: 'mean recall of the classes' },
    { label: 'Log loss', value: formatNumber(evaluation.logLoss), note: `${formatCount(evaluation.rows)} test rows` },
    ...(evaluation.brier === undefined ? [] : [{ label: 'Brier score', value: formatNumber(evaluation.brier), note: simple?.brier === undefined ? null : `baseline ${formatNumber(simple.brier)}` }]),
    ...(evaluation.calibration ? [{ label: 'Calibration error', value: formatShare(evaluation.calibration.error), note: 'predicted against observed' }] : []),
    ...(evaluation.cost == null ? [] : [{ label: 'Cost per row', value: formatNumber(evaluation.cost), note: simple?.cost == null ? null : `baseline ${formatNumber(simple.cost)}` }]),
  ];
}
