import type { Problem } from '@millrace/kernel';
import type { Agreement } from '@millrace/packaging';

/** What an importing process is to look at. */
export interface ImportJob {
  /** the uploaded file, decrypted */
  file: string;
  filename: string;
  sha256: string;
  /** where it leaves the package, if there is one */
  packageFolder: string;
  acceptUntrusted: boolean;
  signature?: unknown;
  sampleRows?: unknown;
  /** names of public keys whose packages are taken */
  trusted: [publicKey: string, name: string][];
}

export type ImportMessage = ImportEnd | { /** it is there: from now on its time counts */ type: 'ready' };

export type ImportEnd =
  | { type: 'refused'; problems: Problem[] }
  | {
      type: 'fit';
      packageSha256: string;
      agreement: Agreement;
      metrics: Record<string, unknown>;
      source: 'PACKAGE' | 'ONNX';
      provenance: Record<string, unknown>;
    };
