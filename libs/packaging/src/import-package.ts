import type { Problem } from '@millrace/kernel';
import { checkPackedGraph } from './import-onnx.ts';
import { unfitText } from './unfit-text.ts';
import { type ModelPackage, packageOf, type PackageFiles, verifyPackage, withRowsPerCall } from './model-package.ts';
import { signatureSizeProblem } from './signature-size.ts';

export interface PackageTrust {
  /** names of public keys whose word is taken */
  trusted: ReadonlyMap<string, string>;
  /** take it whoever has signed it, or nobody */
  acceptUntrusted: boolean;
}

export type CheckedPackage =
  | {
      type: 'fit';
      modelPackage: ModelPackage;
      /** whose word it came with; null for an unsigned one that was accepted all the same */
      signer: { keyId: string; publicKey: string; isTrusted: boolean; name: string | null } | null;
      metrics: { [name: string]: unknown };
      lineage: { [name: string]: unknown };
    }
  | { type: 'refused'; problems: Problem[] };

const mostFactBytes = 4 * 1024 * 1024;
/** A package of another installation, before it is tried: digests, whose word it is, its signature and its graph. */
export async function checkPackage(files: PackageFiles, { trusted, acceptUntrusted }: PackageTrust): Promise<CheckedPackage> {
  const tooLarge = signatureSizeProblem(files.get('signature.json')?.byteLength ?? 0);
  if (tooLarge) return { type: 'refused', problems: [tooLarge] };
  const verified = await verifyPackage(files);
  if (verified.type === 'damaged') return { type: 'refused', problems: verified.problems.map((problem) => ({ ...problem, remedy: 'Send the file that Millrace gave out for the version, unchanged.' })) };
  const { signedBy } = verified;
  const name = signedBy ? (trusted.get(signedBy.publicKey) ?? null) : null;
  if (name === null && !acceptUntrusted) {
    const remedy = 'Have an administrator trust the key of the installation that it comes from, or accept the package as untrusted.';
    const problem: Problem = signedBy
      ? { code: 'untrusted_key', field: 'file', message: `The package is signed by the key ${signedBy.keyId}, which nobody here trusts.`, remedy }
      : { code: 'unsigned', field: 'file', message: 'Nobody has signed the package.', remedy };
    return { type: 'refused', problems: [problem] };
  }
  const facts = ['metrics.json', 'lineage.json'].map((path) => factsIn(files.get(path)!));
  const [metrics, lineage] = facts;
  if (!metrics || !lineage) {
    return { type: 'refused', problems: [{ code: 'invalid_facts', field: 'metrics.json', message: 'The metrics or the lineage of the package are no plain JSON.', remedy: 'Export it again.' }] };
  }
  const problem = unfitText(verified.signature, 'signature.json') ?? unfitText(metrics, 'metrics.json') ?? unfitText(lineage, 'lineage.json');
  if (problem) return { type: 'refused', problems: [problem] };
  const graph = checkPackedGraph(files.get('model.onnx')!);
  if (graph.type === 'refused') return { type: 'refused', problems: [graph.problem] };
  const modelPackage = packageOf(files, verified);
  return {
    type: 'fit', metrics, lineage,
    modelPackage: graph.mostRows < verified.signature.graph.rowsPerCall ? withRowsPerCall(modelPackage, graph.mostRows) : modelPackage,
    signer: signedBy && { keyId: signedBy.keyId, publicKey: signedBy.publicKey, isTrusted: name !== null, name },
  };
}

function factsIn(bytes: Uint8Array): { [name: string]: unknown } | null {
  if (bytes.byteLength > mostFactBytes) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
