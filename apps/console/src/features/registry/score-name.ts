import { words } from '../../design/format.ts';

const names: Record<string, string> = {
  f1: 'F1', rocAuc: 'ROC AUC', prAuc: 'PR AUC', brier: 'Brier score', logLoss: 'Log loss', rmse: 'RMSE', mae: 'MAE', r2: 'R²', mape: 'MAPE', smape: 'sMAPE',
  ndcg: 'NDCG', mrr: 'MRR', hitRate: 'Hit rate', recallAtN: 'Recall', integratedBrier: 'Brier score', maeObserved: 'MAE of ends', rows: 'Test rows',
};

/** What a score is called on every page; one without a name of its own by the words of its field. */
export const scoreName = (field: string): string => names[field] ?? words(field);
