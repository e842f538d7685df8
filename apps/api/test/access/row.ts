import type { Permission } from '@millrace/auth';

/** What tenant Acme has, or ids of the same shape that nobody has. */
export interface Things {
  tenant: string;
  dataset: string;
  datasetVersion: string;
  upload: string;
  run: string;
  model: string;
  modelVersion: string;
  modelName: string;
  endpoint: string;
  apiKey: string;
  person: string;
  /** of another member, to be ended */
  session: string;
}

export interface Row {
  operation: string;
  /** `signed-in`: anyone with a good credential */
  needs: 'public' | 'signed-in' | Permission;
  /** present where an argument names something: then it is also asked for as a stranger's */
  variables?: (things: Things) => object;
}

export const error = '__typename ... on Error { code message remedy }';

/** The rows of one module: by root field. */
export type Rows = Record<string, Row>;
