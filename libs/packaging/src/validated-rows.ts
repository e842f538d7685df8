/** An empty array is dear to make, and most models take neither pictures nor lists. */
const noPixels = new Uint8Array();
const noLists: readonly (readonly string[])[] = [];

/** Rows that were found to fit a signature, packed as the graph takes them. Made by the checks below only. */
export class ValidatedRows {
  readonly count: number;
  /** which signature they fit: rows for one model are never fed to another */
  readonly layout: string;
  /** [count, numbers of the graph], NaN where missing */
  readonly numbers: Float64Array;
  /** [count, other features] */
  readonly categories: string[];
  /** [count, height, width, channels] where the model looks at a picture */
  readonly pixels: Uint8Array;

  /** by row: what was sent for the input that is a list; empty where there is none */
  readonly lists: readonly (readonly string[])[];

  constructor(count: number, layout: string, numbers: Float64Array, categories: string[], pixels: Uint8Array = noPixels, lists: readonly (readonly string[])[] = noLists) {
    this.count = count;
    this.layout = layout;
    this.numbers = numbers;
    this.categories = categories;
    this.lists = lists;
    this.pixels = pixels;
  }

  /** The rows again and again, until there are so many. */
  repeated(count: number): ValidatedRows {
    const { layout, numbers, categories, pixels, lists } = this;
    const fill = <T extends Float64Array | Uint8Array>(from: T, to: T): T => {
      for (let at = 0; at < to.length; at += from.length) to.set(from.subarray(0, Math.min(from.length, to.length - at)), at);
      return to;
    };
    const length = (one: { length: number }) => (one.length / this.count) * count;
    const cells = Array.from({ length: length(categories) }, (_, at) => categories[at % categories.length]!);
    const own = Array.from({ length: length(lists) }, (_, at) => lists[at % lists.length]!);
    return new ValidatedRows(count, layout, fill(numbers, new Float64Array(length(numbers))), cells, fill(pixels, new Uint8Array(length(pixels))), own);
  }

  /** Some of the rows, one after another. */
  slice(start: number, end: number): ValidatedRows {
    const { count, layout, numbers, categories, pixels, lists } = this;
    const range = ({ length }: { length: number }) => [(start * length) / count, (end * length) / count] as const;
    return new ValidatedRows(end - start, layout, numbers.slice(...range(numbers)), categories.slice(...range(categories)), pixels.slice(...range(pixels)), lists.slice(start, lists.length === 0 ? 0 : end));
  }
}
