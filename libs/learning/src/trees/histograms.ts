import type { BinnedColumn } from './binned-columns.ts';
import type { NodeSums } from './split-finder.ts';

/** Memory for histograms that are kept for a subtraction. */
const keptBytes = 256 * 1024 * 1024;

/**
 * Counts rows into histograms: per bin of a column the sums of gradients (one for each output) and of hessians, and the
 * number of rows. A histogram of all columns is one array, in which a column begins at its offset.
 */
export class HistogramBuilder {
  /** of one column, for whoever keeps none */
  readonly shared: Float64Array;
  /** by column */
  readonly offsets: Int32Array;
  /** The bins with rows in them, in order, after a call that says how many there are. */
  readonly occupied = new Int32Array(256);
  readonly #columns: readonly BinnedColumn[];
  readonly #outputs: number;
  readonly #length: number;
  readonly #free: Float64Array[] = [];
  #lent = 0;
  #rows: Int32Array = new Int32Array();
  #gradients: Float64Array = new Float64Array();
  #hessians: Float64Array | null = null;
  /** gradients and hessians of the rows counted, side by side: every column reads them */
  #gathered: Float64Array = new Float64Array();
  readonly #seen = new Int32Array(8);

  constructor(columns: readonly BinnedColumn[], outputs: number) {
    this.#columns = columns;
    this.#outputs = outputs;
    this.offsets = new Int32Array(columns.length);
    let length = 0;
    let widest = 0;
    columns.forEach(({ count }, column) => {
      const own = (count + 1) * (outputs + 2);
      this.offsets[column] = length;
      length += own;
      widest = Math.max(widest, own);
    });
    this.#length = length;
    this.shared = new Float64Array(widest);
  }

  /** What the next calls count; the order of `rows` may change in between. No hessians: 1 for every row. */
  use(rows: Int32Array, gradients: Float64Array, hessians: Float64Array | null): void {
    this.#rows = rows;
    this.#gradients = gradients;
    this.#hessians = hessians;
    const needed = rows.length * (this.#outputs + 1);
    if (this.#gathered.length < needed) this.#gathered = new Float64Array(needed);
  }

  /** An empty histogram of all columns, or null where memory for them is used up. */
  borrow(): Float64Array | null {
    if ((this.#lent + 1) * this.#length * 8 > keptBytes) return null;
    this.#lent += 1;
    return this.#free.pop()?.fill(0) ?? new Float64Array(this.#length);
  }

  release(histogram: Float64Array): void {
    this.#lent -= 1;
    this.#free.push(histogram);
  }

  sum(begin: number, end: number): NodeSums {
    const outputs = this.#outputs;
    const gradients = new Float64Array(outputs);
    let hessian = 0;
    for (let at = begin; at < end; at++) {
      const row = this.#rows[at]!;
      for (let output = 0; output < outputs; output++) gradients[output]! += this.#gradients[row * outputs + output]!;
      hessian += this.#hessians ? this.#hessians[row]! : 1;
    }
    return { gradients, hessian, rows: end - begin, noise: new Float64Array() };
  }

  /** By output, Σ(g + h·v)² / Σh, v the node's value: what G²/H of any group of rows is if the group means nothing. */
  noise(begin: number, end: number, { gradients, hessian }: NodeSums): Float64Array {
    const outputs = this.#outputs;
    return gradients.map((gradient, output) => {
      const value = -gradient / (hessian || 1);
      let squares = 0;
      for (let at = begin; at < end; at++) {
        const row = this.#rows[at]!;
        const own = this.#hessians ? this.#hessians[row]! : 1;
        squares += (this.#gradients[row * outputs + output]! + own * value) ** 2;
      }
      return squares / (hessian || 1);
    });
  }

  /** Brings the figures of the rows from `begin` to `end` together, for the counts that follow. */
  gather(begin: number, end: number): void {
    const outputs = this.#outputs;
    const gathered = this.#gathered;
    let to = 0;
    for (let at = begin; at < end; at++) {
      const row = this.#rows[at]!;
      for (let output = 0; output < outputs; output++) gathered[to++] = this.#gradients[row * outputs + output]!;
      gathered[to++] = this.#hessians ? this.#hessians[row]! : 1;
    }
  }

  /** Adds the gathered rows to a column's part of a histogram. */
  count(column: number, begin: number, end: number, histogram: Float64Array, offset: number): void {
    const { bins, count } = this.#columns[column]!;
    const rows = this.#rows;
    const gathered = this.#gathered;
    const stride = this.#outputs + 2;
    let from = 0;
    if (stride > 3) {
      for (let at = begin; at < end; at++) {
        const cell = offset + bins[rows[at]!]! * stride;
        for (let figure = 0; figure <= this.#outputs; figure++) histogram[cell + figure]! += gathered[from++]!;
        histogram[cell + stride - 1]! += 1;
      }
    } else if (this.#hessians) {
      for (let at = begin; at < end; at++) {
        const cell = offset + bins[rows[at]!]! * 3;
        histogram[cell]! += gathered[from]!;
        histogram[cell + 1]! += gathered[from + 1]!;
        histogram[cell + 2]! += 1;
        from += 2;
      }
    } else {
      for (let at = begin; at < end; at++) {
        const cell = offset + bins[rows[at]!]! * 3;
        histogram[cell]! += gathered[from]!;
        histogram[cell + 2]! += 1;
        from += 2;
      }
      for (let bin = 0, cell = offset; bin <= count; bin++, cell += 3) histogram[cell + 1] = histogram[cell + 2]!;
    }
  }

  /** Takes the gathered rows out of a column's part of a histogram: right for few rows. */
  uncount(column: number, begin: number, end: number, histogram: Float64Array, offset: number): void {
    const { bins } = this.#columns[column]!;
    const stride = this.#outputs + 2;
    let from = 0;
    for (let at = begin; at < end; at++) {
      const cell = offset + bins[this.#rows[at]!]! * stride;
      for (let figure = 0; figure <= this.#outputs; figure++) histogram[cell + figure]! -= this.#gathered[from++]!;
      histogram[cell + stride - 1]! -= 1;
    }
  }

  /** Counts the gathered rows of a column into the shared histogram and finds the occupied bins on the way: right for few rows. */
  countFew(column: number, begin: number, end: number): number {
    const { bins } = this.#columns[column]!;
    const stride = this.#outputs + 2;
    const seen = this.#seen.fill(0);
    let from = 0;
    for (let at = begin; at < end; at++) {
      const bin = bins[this.#rows[at]!]!;
      const cell = bin * stride;
      for (let figure = 0; figure <= this.#outputs; figure++) this.shared[cell + figure]! += this.#gathered[from++]!;
      this.shared[cell + stride - 1]! += 1;
      seen[bin >> 5]! |= 1 << (bin & 31);
    }
    let found = 0;
    for (let word = 0; word < seen.length; word++) {
      for (let bits = seen[word]!; bits !== 0; bits &= bits - 1) this.occupied[found++] = word * 32 + 31 - Math.clz32(bits & -bits);
    }
    return found;
  }

  findOccupied(column: number, histogram: Float64Array, offset: number): number {
    const stride = this.#outputs + 2;
    const { count } = this.#columns[column]!;
    let found = 0;
    for (let bin = 0, cell = offset + stride - 1; bin <= count; bin++, cell += stride) {
      if (histogram[cell]! > 0) this.occupied[found++] = bin;
    }
    return found;
  }

  /** Takes `part` away from `whole`. */
  subtract(whole: Float64Array, part: Float64Array, columns: Int32Array): void {
    for (const column of columns) {
      const from = this.offsets[column]!;
      const to = from + (this.#columns[column]!.count + 1) * (this.#outputs + 2);
      for (let cell = from; cell < to; cell++) whole[cell]! -= part[cell]!;
    }
  }

  /** Empties the shared histogram; `bins` of the occupied ones are in use. */
  clearShared(bins: number): void {
    const stride = this.#outputs + 2;
    for (let at = 0; at < bins; at++) {
      const cell = this.occupied[at]! * stride;
      for (let figure = 0; figure < stride; figure++) this.shared[cell + figure] = 0;
    }
  }
}
