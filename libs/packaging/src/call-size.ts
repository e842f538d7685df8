/** How many rows one call of a graph takes within a bound of time, as far as trying tells. */
export type CallSize =
  | { type: 'fits'; rows: number; /** of such a call */ milliseconds: number }
  | { type: 'too-slow'; /** of a call of one row */ milliseconds: number };

/** What is known of the number of rows is this near to the best. */
const nearness = 1.3;

/**
 * The number of rows, `most` at the most, with which a call stays within `longest` milliseconds. Nothing is taken for granted
 * of how the time grows with the rows: fourfold as long as it fits, then between what fits and what does not.
 * `timeOf` makes a call of so many rows and says how long it held the processor.
 */
export async function findCallSize(timeOf: (rows: number) => Promise<number>, { most, longest }: { most: number; longest: number }): Promise<CallSize> {
  await timeOf(1); // the first call sets the engine up
  let [rows, milliseconds] = [1, await timeOf(1)];
  if (milliseconds > longest) milliseconds = await timeOf(1); // something else may have come in between
  if (milliseconds > longest) return { type: 'too-slow', milliseconds };
  let beyond = most + 1;
  while (rows < most && beyond / rows > nearness) {
    const next = Math.min(rows * 4, beyond > most ? most : Math.max(rows + 1, Math.floor(Math.sqrt(rows * beyond))));
    if (next >= beyond) break;
    const took = await timeOf(next);
    if (took <= longest) [rows, milliseconds] = [next, took];
    else beyond = next;
  }
  return { type: 'fits', rows, milliseconds };
}
