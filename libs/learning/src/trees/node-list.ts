import type { Split } from './split-finder.ts';
import { setWords, type Tree } from './tree.ts';

/** The nodes of a tree that is growing. */
export class NodeList {
  readonly feature: number[] = [];
  readonly threshold: number[] = [];
  readonly bins: number[] = [];
  readonly missingLeft: number[] = [];
  readonly left: number[] = [];
  readonly right: number[] = [];
  readonly sets: Int32Array[] = [];

  add(): number {
    this.missingLeft.push(0);
    this.threshold.push(0);
    this.bins.push(-1);
    this.left.push(0);
    this.right.push(0);
    return this.feature.push(-1) - 1;
  }

  divide(node: number, split: Split, threshold: number, left: number, right: number): void {
    this.feature[node] = split.column;
    this.threshold[node] = split.set ? this.sets.push(split.set) - 1 : threshold;
    this.bins[node] = split.bin;
    this.missingLeft[node] = split.missingLeft ? 1 : 0;
    this.left[node] = left;
    this.right[node] = right;
  }

  toTree(values: Float64Array): Tree {
    const sets = new Int32Array(this.sets.length * setWords);
    this.sets.forEach((set, at) => sets.set(set, at * setWords));
    return {
      feature: Int32Array.from(this.feature),
      threshold: Float64Array.from(this.threshold),
      missingLeft: Int32Array.from(this.missingLeft),
      left: Int32Array.from(this.left),
      right: Int32Array.from(this.right),
      sets,
      values,
    };
  }
}
