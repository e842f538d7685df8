import type { FileProblem } from './table-file.ts';

/** `found`: null where reading ended before all were counted; `line`: where the first one too many stands. */
interface TooMany {
  limit: number;
  found?: number;
  line?: number;
}

const askForMore = 'ask your operator for a higher limit';

export function tooManyRows({ limit, found, line }: TooMany, remedy = 'Upload fewer rows, such as a sample or a shorter time span'): FileProblem {
  return problemOf('too_many_rows', 'rows', { limit, found, line }, remedy);
}

export function tooManyColumns(size: TooMany): FileProblem {
  return problemOf('too_many_columns', 'columns', size, 'Leave out the columns that the model needs not, or split the table');
}

function problemOf(code: string, what: string, { limit, found, line }: { [Name in keyof TooMany]: TooMany[Name] | undefined }, remedy: string): FileProblem {
  return {
    code,
    field: 'file',
    message: `The table has ${found ?? `more than ${limit}`} ${what}; your tenant may have ${limit} in one table.`,
    remedy: `${remedy}, or ${askForMore}.`,
    ...(line === undefined ? {} : { row: line }),
  };
}
