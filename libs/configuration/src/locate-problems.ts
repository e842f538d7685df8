import type { SpecProblem } from './spec-problem.ts';
import { readYaml } from './training-yaml.ts';

/** Problems that were found in what a text says, with the line of each; as they are where the input is no text. */
export function locateProblems(input: unknown, problems: readonly SpecProblem[]): SpecProblem[] {
  const text = typeof input === 'string' ? readYaml(input) : null;
  if (text?.type !== 'read') return [...problems];
  return problems.map((problem) => {
    const line = text.lineOf(pathOf(problem.field));
    return line === null ? problem : { ...problem, message: `Line ${line}: ${problem.message}` };
  });
}

/** `models[0].k` as its parts. */
function pathOf(field: string): (string | number)[] {
  return Array.from(field.matchAll(/\[(\d+)\]|[^.[\]]+/g), ([name, index]) => (index === undefined ? name : Number(index)));
}
