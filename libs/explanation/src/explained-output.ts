import { furtherOutputs, type Prediction, type Signature } from '@millrace/packaging';
import type { Problem } from '@millrace/kernel';

/** Which number of an answer an explanation is asked for; by default that of the predicted class, or the value. */
export interface OutputChoice {
  /** of a classification */
  class?: string | undefined;
  /** `prediction`, or another number that the signature gives; of an anomaly detection `score` */
  output?: string | undefined;
}

/** The number that is explained. */
export interface ExplainedOutput {
  name: string;
  /** whose probability it is */
  class?: string;
  read(prediction: Prediction): number;
}

/** Why there is no explanation of a model, whatever the row; null where there can be one. */
export function whyUnexplainable({ task }: Signature): Problem | null {
  const refusal = (message: string, remedy: string): Problem => ({ code: 'not_explainable', field: 'model', message, remedy });
  if (task === 'forecasting') return refusal('A forecast is read off a table by series and step: no input of it can be credited with a part of the answer.', 'Look at the forecast’s components and back-test on its version page.');
  if (task === 'recommendation') return refusal('A recommendation is a list, not a number that could be divided among inputs.', 'Look at the scores beside the items.');
  return null;
}

/** The number to explain. Of classes the choice may wait for the answer: see `label`. */
export function chooseOutput(signature: Signature, { class: className, output }: OutputChoice, label?: string): { type: 'chosen'; output: ExplainedOutput } | { type: 'unknown'; problem: Problem } {
  const unknown = (code: string, field: string, message: string, choices: readonly string[]) => ({ type: 'unknown' as const, problem: { code, field, message, remedy: `Choose among ${choices.map((choice) => `"${choice}"`).join(', ')}, or leave it out.` } });
  const { classes } = signature.output;
  if (classes) {
    if (output !== undefined && output !== 'probabilities' && output !== 'prediction') return unknown('unknown_output', 'parameters.output', `There is no output "${output.slice(0, 60)}" to explain.`, ['probabilities']);
    const chosen = className ?? label ?? classes[0]!;
    const index = classes.indexOf(chosen);
    if (index < 0) return unknown('unknown_class', 'parameters.class', `The model has no class "${chosen.slice(0, 60)}".`, classes.slice(0, 20));
    return { type: 'chosen', output: { name: 'probabilities', class: chosen, read: (prediction) => ('probabilities' in prediction ? prediction.probabilities[index]! : NaN) } };
  }
  if (className !== undefined) return { type: 'unknown', problem: { code: 'unknown_class', field: 'parameters.class', message: 'The model has no classes.', remedy: 'Leave "class" out.' } };
  const main = signature.anomaly ? 'score' : 'prediction';
  const further = furtherOutputs(signature).filter((name) => name !== 'personalised');
  const name = output ?? main;
  if (name === main) return { type: 'chosen', output: { name, read: (prediction) => ('value' in prediction ? prediction.value : NaN) } };
  const other = further.find((known) => known === name);
  if (!other) return unknown('unknown_output', 'parameters.output', `There is no output "${name.slice(0, 60)}" to explain.`, [main, ...further]);
  return {
    type: 'chosen',
    output: {
      name: other,
      read: (prediction) => {
        if (!('value' in prediction)) return NaN;
        return (other === 'survival' ? prediction.survival : prediction.interval?.[other]) ?? NaN;
      },
    },
  };
}
