import { createHash } from 'node:crypto';
import type { Problem } from '@millrace/kernel';
import type { ImageInput, Signature, ValidatedRows } from '@millrace/packaging';
import { shapleyOfAdditiveAnswer } from './additive-shapley.ts';
import { answersToReferences, createPictureGame, createTableGame, type Game, type GameOptions, type InTurn } from './coalition-game.ts';
import { type EvaluationPlan, planEvaluations } from './evaluation-plan.ts';
import { shapleyOfAllCoalitions } from './exact-shapley.ts';
import { chooseOutput, type OutputChoice, whyUnexplainable } from './explained-output.ts';
import { type Faithfulness, faithfulnessOf } from './faithfulness.ts';
import type { ServedTrees } from './served-trees.ts';
import { shapleyBySampling } from './permutation-sampling.ts';
import { meanColour, regionsOf } from './picture-regions.ts';
import { createRandom } from './seeded-random.ts';

/** What explanations of one served version are made with, beside the model itself. */
export interface ExplanationBasis {
  /** rows that stand for "nothing is known of this input"; of a picture none */
  background: ValidatedRows | null;
  /** whether the package brought them; otherwise they were made of the signature's ranges */
  isBackgroundKnown: boolean;
  /** where the answer is a sum of the leaves of trees that could be read */
  trees?: ServedTrees | undefined;
}

export interface ExplanationRequest extends OutputChoice {
  maxEvaluations?: number | undefined;
}

/** What one input has added to the answer. */
export interface Attribution {
  /** of the input; of a region of a picture `name[row,column]` */
  name: string;
  /** in the unit of the answer */
  value: number;
  /** of the sampling; 0 where the value is exact */
  standardError: number;
  /** of a region, in pixels of the picture as the model sees it */
  region?: { x: number; y: number; width: number; height: number };
}

/** `baseValue` and all attributions add up to `answer`, but for `additivityError`. */
export interface Explanation {
  output: { name: string; class?: string };
  answer: number;
  /** the mean answer to the background */
  baseValue: number;
  /** by input of the signature, or by region line by line */
  attributions: Attribution[];
  additivityError: number;
  faithfulness: Faithfulness;
  method: { algorithm: EvaluationPlan['algorithm']; evaluations: number; references: number; isExact: boolean; /** whether no standard error is above a twentieth of the largest attribution */ hasConverged: boolean };
  /** of a picture: attributions as [rows][columns] */
  heatMap?: number[][];
  warnings: string[];
  /** what was done, in rows that the model could have answered instead: its evaluations, and what walking through trees took */
  work: number;
}

/** Rows that the model may answer for one explanation, unless asked for fewer or more. A picture costs as much as many rows of a table. */
const usualEvaluations = { table: 5_000, picture: 1_500 } as const;
export const mostEvaluations = 20_000;

export type PlannedExplanation =
  | {
      type: 'planned';
      /** rows that the model answers at most */
      evaluations: number;
      /** all that is to be done, in rows that the model could answer instead, at most */
      mostWork: number;
      explain(row: ValidatedRows, options: Omit<GameOptions, 'read'>): Promise<Explanation>;
    }
  | { type: 'refused'; problem: Problem };

/**
 * Explains single answers of a served version by Shapley values: what each input of the signature has added to the answer, against
 * answers to background rows. An input is one player however many cells it is inside the model.
 *
 * What it takes is known before anything is computed. `explain` takes one row of the signature; the same row, request and basis
 * give the same explanation. It rejects with `TooMuchWork` when trees take more than the evaluations that are left, and with what the model or `inTurn` throws.
 */
export function planExplanation(signature: Signature, digest: string, basis: ExplanationBasis, request: ExplanationRequest): PlannedExplanation {
  const unexplainable = whyUnexplainable(signature);
  if (unexplainable) return { type: 'refused', problem: unexplainable };
  const choice = chooseOutput(signature, request);
  if (choice.type === 'unknown') return { type: 'refused', problem: choice.problem };
  const [image] = signature.inputs;
  const isPicture = image?.type === 'image';
  const maxEvaluations = request.maxEvaluations ?? usualEvaluations[isPicture ? 'picture' : 'table'];
  const picture = isPicture ? regionsOf(image) : null;
  const question = {
    players: picture?.regions.length ?? signature.inputs.length,
    references: picture ? 1 : (basis.background?.count ?? 0),
    isAdditive: !picture && signature.family === 'linear' && signature.task === 'regression' && !signature.personalisation,
    hasTrees: !picture && basis.trees !== undefined && (choice.output.name === 'prediction' || choice.output.name === 'probabilities'),
  };
  const plan = planEvaluations({ ...question, maxEvaluations });
  if (!plan) {
    const least = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, mostEvaluations].find((most) => planEvaluations({ ...question, maxEvaluations: most }));
    return {
      type: 'refused',
      problem: {
        code: 'too_few_evaluations',
        field: 'parameters.max_evaluations',
        message: `${question.players} inputs cannot be told apart with ${maxEvaluations} evaluations of the model.`,
        remedy: least === undefined ? 'Explain a model with fewer inputs.' : `Allow ${least} as "max_evaluations".`,
      },
    };
  }
  return {
    type: 'planned',
    evaluations: plan.evaluations,
    mostWork: plan.algorithm === 'tree_shap' ? Math.min(maxEvaluations, plan.evaluations + basis.trees!.mostWork(plan.references)) : plan.evaluations,
    async explain(row, options) {
      const [prediction] = await options.inTurn(() => options.model.predict(row), 'prediction');
      const chosen = chooseOutput(signature, request, prediction && 'label' in prediction ? prediction.label : undefined);
      if (chosen.type === 'unknown') throw new Error(chosen.problem.message);
      const { output } = chosen;
      const answer = output.read(prediction!);
      const game = picture
        ? createPictureGame({ ...options, read: output.read }, row, picture.regions, meanColour(image as ImageInput, row))
        : createTableGame({ ...options, read: output.read }, row, firstRows(basis.background!, plan.references));
      const random = createRandom(seedOf(row, digest, output));
      const bare = await answersToReferences(game);
      const { values, standardErrors, worthOf, walked = 0 } = await attributionsBy(plan, game, { nobody: bare.each, mean: bare.mean, everybody: answer }, { row, basis, output: output.class, random, signature, allowed: maxEvaluations - plan.evaluations, inTurn: options.inTurn });
      const faithfulness = await faithfulnessOf(game, values, answer, random, worthOf);
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const attributions = Array.from(values, (value, player): Attribution => ({
        name: picture ? `${image!.name}[${Math.floor(player / picture.columns)},${player % picture.columns}]` : signature.inputs[player]!.name,
        value,
        standardError: standardErrors[player]!,
        ...(picture ? { region: picture.regions[player]! } : {}),
      }));
      return {
        output: { name: output.name, ...(output.class === undefined ? {} : { class: output.class }) },
        answer,
        baseValue: bare.mean,
        attributions,
        additivityError: answer - bare.mean - values.reduce((sum, value) => sum + value, 0),
        faithfulness,
        method: {
          algorithm: plan.algorithm,
          evaluations: game.evaluations + 1,
          references: plan.references,
          isExact: plan.algorithm !== 'permutation_sampling',
          hasConverged: standardErrors.every((error) => error <= largest / 20),
        },
        ...(picture ? { heatMap: Array.from({ length: picture.rows }, (_, line) => Array.from(values.subarray(line * picture.columns, (line + 1) * picture.columns))) } : {}),
        warnings: !picture && !basis.isBackgroundKnown ? ['The package has no background rows: the row is compared with values spread over the ranges of the signature, which may not be usual ones.'] : [],
        work: Math.ceil(game.evaluations + 1 + walked),
      };
    },
  };
}

interface Ends {
  nobody: Float64Array;
  mean: number;
  everybody: number;
}

async function attributionsBy(
  plan: EvaluationPlan, game: Game, ends: Ends,
  { row, basis, output, random, signature, allowed, inTurn }: { row: ValidatedRows; basis: ExplanationBasis; output: string | undefined; random: () => number; signature: Signature; allowed: number; inTurn: InTurn },
): Promise<{ values: Float64Array; standardErrors: Float64Array; worthOf?: (coalition: Uint8Array) => number; walked?: number }> {
  const exact = (values: Float64Array) => ({ values, standardErrors: new Float64Array(values.length) });
  switch (plan.algorithm) {
    case 'tree_shap': {
      const { values, work } = await basis.trees!.explain(row, basis.background!, output === undefined ? 0 : signature.output.classes!.indexOf(output), allowed, inTurn);
      return { ...exact(values), walked: work };
    }
    case 'additive':
      return exact(await shapleyOfAdditiveAnswer(game, ends.everybody));
    case 'exact_enumeration': {
      const { values, worthOf } = await shapleyOfAllCoalitions(game, { nobody: ends.mean, everybody: ends.everybody });
      return { ...exact(values), worthOf };
    }
    case 'permutation_sampling':
      return shapleyBySampling(game, ends, plan.rounds, random);
  }
}

function firstRows(background: ValidatedRows, count: number): ValidatedRows {
  return count === background.count ? background : background.slice(0, count);
}

/** Of everything that the explanation depends on. */
function seedOf(row: ValidatedRows, digest: string, output: { name: string; class?: string }): Uint32Array {
  const hash = createHash('sha256').update(JSON.stringify([digest, output.name, output.class ?? null, row.categories, row.lists]));
  hash.update(new Uint8Array(row.numbers.buffer, row.numbers.byteOffset, row.numbers.byteLength)).update(row.pixels);
  const bytes = hash.digest();
  return Uint32Array.from({ length: 4 }, (_, word) => bytes.readUInt32LE(4 * word));
}
