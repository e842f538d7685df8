import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import { fieldsOf } from './wire-format.ts';

/** Nodes and initializers that were written by our own graph, to stand in another model. */
export interface GraphParts {
  nodes: Uint8Array[];
  initializers: Uint8Array[];
  inputs: Uint8Array[];
  outputs: Uint8Array[];
}

/** What `write` adds to a graph, as the bytes of its parts, every name it makes with `prefix` before it. */
export function partsOf(prefix: string, write: (graph: OnnxGraph) => void): GraphParts {
  const outer = createOnnxGraph('parts', prefix);
  write(outer);
  const parts: GraphParts = { nodes: [], initializers: [], inputs: [], outputs: [] };
  const places: Record<number, keyof GraphParts> = { 1: 'nodes', 5: 'initializers', 11: 'inputs', 12: 'outputs' };
  for (const field of fieldsOf(outer.write({}))) {
    if (field.number !== 7) continue;
    for (const part of fieldsOf(field.bytes)) {
      const place = places[part.number];
      if (place) parts[place].push(part.bytes);
    }
  }
  return parts;
}
