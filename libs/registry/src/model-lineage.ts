/** A model's versions with what they came from and where they went, as they lie in the database. */
export interface LineageFacts {
  versions: {
    id: string;
    number: number;
    source: string;
    run: { id: string; status: string } | null;
    datasetVersion: { id: string; number: number; dataset: { id: string; name: string } } | null;
    provenance: unknown;
    /** of a version made from another: see VersionOptimisation */
    optimisation: unknown;
  }[];
  aliases: { name: string; versionId: string }[];
  endpoints: { id: string; name: string; aliasName: string }[];
}

export interface LineageNode {
  id: string;
  kind: 'DATASET_VERSION' | 'RUN' | 'FILE' | 'MODEL_VERSION' | 'ENDPOINT';
  label: string;
}

export interface Lineage {
  nodes: LineageNode[];
  edges: { from: string; to: string; label: string }[];
}

/** Data set version → run → version → endpoint, each once; a version from elsewhere comes from its file, an optimised one from its parent too. */
export function lineageOf({ versions, aliases, endpoints }: LineageFacts): Lineage {
  const nodes = new Map<string, LineageNode>();
  const edges: Lineage['edges'] = [];
  const add = (id: string, kind: LineageNode['kind'], label: string): void => void nodes.set(id, { id, kind, label });
  for (const version of versions) {
    const { id, run, datasetVersion, source } = version;
    add(id, 'MODEL_VERSION', `version ${version.number}`);
    if (datasetVersion) add(datasetVersion.id, 'DATASET_VERSION', `${datasetVersion.dataset.name}, version ${datasetVersion.number}`);
    if (run) {
      add(run.id, 'RUN', `run ${run.id.slice(-6)}`);
      if (datasetVersion) edges.push({ from: datasetVersion.id, to: run.id, label: '' });
      edges.push({ from: run.id, to: id, label: '' });
    } else if (source !== 'RUN') {
      const { filename, sha256 } = (version.provenance ?? {}) as { filename?: string; sha256?: string };
      const file = `file:${sha256 ?? id}`;
      add(file, 'FILE', filename ?? 'a file');
      edges.push({ from: file, to: id, label: source === 'PACKAGE' ? 'package' : 'ONNX' });
    }
  }
  for (const { run, optimisation } of versions) {
    const { parent } = (optimisation ?? {}) as { parent?: { id: string; number: number } };
    if (!parent || !run) continue;
    if (!nodes.has(parent.id)) add(parent.id, 'MODEL_VERSION', `version ${parent.number}`); // it may be gone
    edges.push({ from: parent.id, to: run.id, label: 'optimised' });
  }
  for (const { id, name, aliasName } of endpoints) {
    const served = aliases.find((alias) => alias.name === aliasName);
    if (!served || !nodes.has(served.versionId)) continue;
    add(id, 'ENDPOINT', name);
    edges.push({ from: served.versionId, to: id, label: aliasName });
  }
  return { nodes: [...nodes.values()], edges };
}
