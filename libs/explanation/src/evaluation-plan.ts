import { mostForAllSets, setsToRemove } from './faithfulness.ts';

/** How the Shapley values of one row are found, and what that takes, known before anything is computed. */
export interface EvaluationPlan {
  algorithm: 'additive' | 'tree_shap' | 'exact_enumeration' | 'permutation_sampling';
  /** background rows in use */
  references: number;
  /** of sampling: pairs of walks for each reference */
  rounds: number;
  /** rows that the model answers, at most */
  evaluations: number;
}

export interface PlanQuestion {
  players: number;
  /** background rows that there are */
  references: number;
  /** whether the answer is known to be a sum over single inputs */
  isAdditive: boolean;
  /** whether the trees behind the answer are known */
  hasTrees: boolean;
  maxEvaluations: number;
}

/** Two rounds: from one, no error could be told. */
const fewestRounds = 2;
/** More gains little: the error falls with the square root. */
const mostRounds = 64;

/** The best way that the evaluations allow; null where they allow none. */
export function planEvaluations({ players, references, isAdditive, hasTrees, maxEvaluations }: PlanQuestion): EvaluationPlan | null {
  const sets = setsToRemove(players);
  /** the row, the bare references, and the score of the explanation */
  const around = (used: number) => 1 + used + sets * used;
  const within = (algorithm: EvaluationPlan['algorithm'], evaluations: number): EvaluationPlan | null =>
    evaluations <= maxEvaluations ? { algorithm, references, rounds: 0, evaluations } : null;
  const exact = [
    ...(isAdditive ? [within('additive', around(references) + players * references)] : []),
    // Of few inputs, all sets are asked for the score anyway, and the graph is quicker than a walk through its trees.
    ...(players <= mostForAllSets || !hasTrees ? [within('exact_enumeration', 1 + references + Math.max(0, 2 ** players - 2) * references)] : []),
    ...(hasTrees ? [within('tree_shap', around(references))] : []),
  ].find((plan) => plan !== null);
  if (exact) return exact;
  // Fewer references before fewer rounds than it takes to know the error.
  const steps = 2 * (players - 1);
  for (let used = references; used >= 1; used--) {
    const rounds = Math.min(mostRounds, Math.floor((maxEvaluations - around(used)) / (used * steps)));
    if (rounds >= fewestRounds) return { algorithm: 'permutation_sampling', references: used, rounds, evaluations: around(used) + rounds * used * steps };
  }
  return null;
}
