import type { Permission } from '@millrace/auth';
import type { Member, World } from '../api-world.ts';

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
  modelImport: string;
  /** id of a key that is trusted */
  trustedKey: string;
  endpoint: string;
  apiKey: string;
  /** that waits to be made */
  prediction: string;
  /** that has succeeded */
  madePrediction: string;
  /** of an event for a webhook */
  delivery: string;
  /** of webhooks, failing */
  receiver: string;
  /** of a member */
  person: string;
  /** of another member, to be ended */
  session: string;
  invitation: string;
  /** an operator's, to Acme */
  grant: string;
  domainClaim: string;
  /** a tenant that operators can do with as they like */
  managedTenant: string;
  /** of the key */
  usageLimit: string;
  /** of the managed tenant itself */
  managedLimit: string;
}

/** Where rows are asked for. */
export interface Stage {
  world: World;
  /** the owner of the things */
  acme: Member;
  /** who is asked for where the platform is concerned */
  operator: Member;
  ours: Things;
  /** an OpenID provider that the world reaches */
  provider: { issuer: string; clientId: string; clientSecret: string };
  /** TXT records of the DNS that the world looks into */
  records: Map<string, string[]>;
}

export interface Question {
  operation: string;
  variables?: object;
  /** null: anonymously; as the owner if left out */
  credential?: string | null;
  /** where it is asked, if not on the stage; whoever asks closes it */
  world?: World;
}

export interface Row {
  operation: string;
  /** `signed-in`: anyone with a good credential */
  needs: 'public' | 'signed-in' | Permission;
  /** present where an argument names something: then it is also asked for as a stranger's */
  variables?: (things: Things) => object;
  /**
   * Of a mutation: how it ends well, and how in an error of its payload, where the owner who asks for its own things, or
   * for nobody's, does not show it. The trail spec sees every mutation end both ways.
   */
  succeeds?: (stage: Stage) => Partial<Question> | Promise<Partial<Question>>;
  fails?: (stage: Stage) => Partial<Question> | Promise<Partial<Question>>;
  /** in how many trails a success leaves its line; one unless told */
  trails?: number;
}

export const error = '__typename ... on Error { code message remedy }';

/** The rows of one module: by root field. */
export type Rows = Record<string, Row>;
