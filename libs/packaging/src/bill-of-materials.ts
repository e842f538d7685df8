import { createRequire } from 'node:module';
import type { JsonValue } from './canonical-json.ts';
import { irVersion, operatorSets } from './onnx-graph.ts';

/** What a package was made with and of, as far as its maker knows it; plain JSON. */
export interface PackageMaterials {
  /** programs and libraries by name, with their versions */
  tools?: { [name: string]: string | undefined };
  /** what it learned from: id and digest of the data set version, or name and digest of the file that it was imported from */
  data?: { [name: string]: JsonValue | undefined };
  /** the configuration that led to it, word for word */
  configuration?: JsonValue;
  /** of a graph that was not written here: its operator sets by domain */
  operatorSets?: { [domain: string]: number };
}

/** `bill-of-materials.json`: the same for the same materials, so that a rebuilt package is the same byte for byte. */
export function billOfMaterials(materials: PackageMaterials): JsonValue {
  return {
    formatVersion: 1,
    tools: { ...materials.tools, 'onnxruntime-node': runtimeVersion() },
    graph: { irVersion, operatorSets: materials.operatorSets ?? Object.fromEntries(operatorSets.map(({ domain, version }) => [domain || 'ai.onnx', version])) },
    data: materials.data ?? null,
    configuration: materials.configuration ?? null,
  };
}

let known: string | undefined;

/** Of the engine that has tried the package, and will serve it. */
function runtimeVersion(): string {
  known ??= (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }).version;
  return known;
}
