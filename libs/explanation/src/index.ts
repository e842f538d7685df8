export { backgroundOfRanges, type BackgroundRow, synthesiseBackground } from './background-rows.ts';
export type { InTurn } from './coalition-game.ts';
export { type Explanation, type ExplanationBasis, type ExplanationRequest, mostEvaluations, type PlannedExplanation, planExplanation } from './explain-row.ts';
export { servedTreesOf, TooMuchWork } from './served-trees.ts';
export { importanceOfInputs, type InputImportance, rowsForImportance } from './input-importance.ts';
