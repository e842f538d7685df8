import { type LoadedModel, mixRows, paintRegions, type PictureRegion, type Prediction, type ValidatedRows } from '@millrace/packaging';

/** A row of which some players have been replaced by what a reference has. */
export interface Question {
  /** by player: 1 where the row's own value stays */
  coalition: Uint8Array;
  reference: number;
}

/** What an explanation asks of a model: how it answers when it knows some players of a row, and the others are those of a reference. */
export interface Game {
  players: number;
  references: number;
  /** One number for each question, in order. Each is one evaluation of the model. */
  answers(questions: readonly Question[]): Promise<Float64Array>;
  readonly evaluations: number;
}

export interface GameOptions {
  model: Pick<LoadedModel, 'signature' | 'predict'>;
  /** the number that is explained */
  read(prediction: Prediction): number;
  inTurn: InTurn;
}

/** Does some milliseconds of work when it is its turn among what others want done: has the model predict, or walks through its trees. What it throws ends the explanation. */
export type InTurn = <Result>(work: () => Result | Promise<Result>, what: 'prediction' | 'walk') => Promise<Result>;

/** Rows of one call: a part of what a prediction may take, so that predictions get their turn sooner. */
const rowsPerBatch = ({ signature }: GameOptions['model']): number => Math.max(1, Math.min(256, Math.ceil(signature.graph.rowsPerCall / 4)));

/** The players are the inputs of the signature. `background` are the references. */
export function createTableGame(options: GameOptions, row: ValidatedRows, background: ValidatedRows): Game {
  const { signature } = options.model;
  return createGame(options, signature.inputs.length, background.count, (questions) =>
    mixRows(signature, row, background, questions.map(({ coalition, reference }) => ({ kept: coalition, row: 0, reference }))),
  );
}

/** The players are regions of the picture; the one reference is a picture of one colour. */
export function createPictureGame(options: GameOptions, row: ValidatedRows, regions: readonly PictureRegion[], colour: readonly number[]): Game {
  return createGame(options, regions.length, 1, (questions) => paintRegions(options.model.signature, row, regions, colour, questions.map(({ coalition }) => coalition)));
}

function createGame(options: GameOptions, players: number, references: number, rowsFor: (questions: readonly Question[]) => ValidatedRows): Game {
  const { model, read, inTurn } = options;
  const most = rowsPerBatch(model);
  let evaluations = 0;
  return {
    players,
    references,
    async answers(questions) {
      const answers = new Float64Array(questions.length);
      for (let start = 0; start < questions.length; start += most) {
        const batch = questions.slice(start, start + most);
        const predictions = await inTurn(() => model.predict(rowsFor(batch)), 'prediction');
        predictions.forEach((prediction, index) => (answers[start + index] = read(prediction)));
        evaluations += batch.length;
      }
      return answers;
    },
    get evaluations() {
      return evaluations;
    },
  };
}

/** Answers to the bare references, one each, and their mean: what is answered when nothing is known of the row. */
export async function answersToReferences(game: Game): Promise<{ each: Float64Array; mean: number }> {
  const nobody = new Uint8Array(game.players);
  const each = await game.answers(Array.from({ length: game.references }, (_, reference) => ({ coalition: nobody, reference })));
  return { each, mean: meanOf(each) };
}

/** For each coalition, the mean of the answers over all references. */
export async function meanAnswers(game: Game, coalitions: readonly Uint8Array[]): Promise<Float64Array> {
  const { references } = game;
  const answers = await game.answers(coalitions.flatMap((coalition) => Array.from({ length: references }, (_, reference) => ({ coalition, reference }))));
  return Float64Array.from(coalitions, (_, index) => meanOf(answers.subarray(index * references, (index + 1) * references)));
}

export const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
