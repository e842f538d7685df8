import { isNode, LineCounter, parseDocument, stringify } from 'yaml';
import type { SpecProblem } from './spec-problem.ts';
import type { TrainingSpec } from './training-spec.ts';

const longestText = 256 * 1024;
/** deeper than any configuration, and far from what a reader's stack can take */
const deepestNesting = 40;

export type ReadYaml =
  | { type: 'read'; value: unknown; /** where the thing at a path stands, or the nearest that it lies in; null at the root */ lineOf(path: readonly PropertyKey[]): number | null }
  | { type: 'invalid'; problems: SpecProblem[] };

/** Reads YAML 1.2 from strangers: plain data only, one document, no key twice, and not more than a configuration needs. */
export function readYaml(text: string): ReadYaml {
  if (text.length > longestText) return refused(`The text is longer than ${longestText / 1024} KiB.`, 'Send the configuration only.');
  // Before it is read: the reader itself recurses.
  if (nestingOf(text) > deepestNesting) return refused('The text is nested too deeply.', `Nest at most ${deepestNesting} levels.`);
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.2', schema: 'core', lineCounter: lines, logLevel: 'error', prettyErrors: false });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    const what = error.code === 'MULTIPLE_DOCS' ? 'There is more than one document.' : `This is no YAML: ${error.message}`;
    return refused(`Line ${line}, column ${col}: ${what}`, 'Mend the text there; indent with spaces, and quote names that hold colons.');
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch {
    return refused('Its aliases (*name) cannot be followed.', 'Write out what they stand for.');
  }
  return {
    type: 'read',
    value,
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const node = document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
      }
      return null;
    },
  };
}

/** A configuration as a file to keep: what `parseTrainingSpec` reads as the same again. */
export function writeTrainingYaml(spec: TrainingSpec): string {
  return stringify(spec, { version: '1.2', schema: 'core', lineWidth: 120, aliasDuplicateObjects: false });
}

function refused(message: string, remedy: string): ReadYaml {
  return { type: 'invalid', problems: [{ field: '(configuration)', message, remedy }] };
}

/** An upper bound of it: brackets that are open at once, whatever they stand in, and columns of indentation. */
function nestingOf(text: string): number {
  let [open, deepest] = [0, 0];
  for (const character of text) {
    if (character === '[' || character === '{') deepest = Math.max(deepest, ++open);
    else if ((character === ']' || character === '}') && open > 0) open--;
  }
  // `- - - x` nests without brackets; so does indentation, by a column a level at least.
  for (const [start] of text.matchAll(/^[ \t]*(?:- +|\? +)*/gm)) deepest = Math.max(deepest, Math.ceil(start.length / 2));
  return deepest;
}
