import type { Bounds, NodeSums, Split } from './split-finder.ts';

/** A leaf that may yet be divided. */
export interface Candidate {
  node: number;
  begin: number;
  end: number;
  depth: number;
  bounds: Bounds;
  sums: NodeSums;
  histogram: Float64Array | null;
  split: Split | null;
}

/** Candidates by gain, the highest first; of equal ones the one whose node is older. */
export class CandidateHeap {
  readonly #items: Candidate[] = [];

  add(item: Candidate): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!precedes(item, items[above]!)) break;
      items[at] = items[above]!;
      at = above;
    }
    items[at] = item;
  }

  take(): Candidate | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length === 0 || !last) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && precedes(items[below + 1]!, items[below]!)) below += 1;
      if (!precedes(items[below]!, last)) break;
      items[at] = items[below]!;
      at = below;
    }
    items[at] = last;
    return first;
  }
}

function precedes(a: Candidate, b: Candidate): boolean {
  const [gainA, gainB] = [a.split!.gain, b.split!.gain];
  return gainA > gainB || (gainA === gainB && a.node < b.node);
}
