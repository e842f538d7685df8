import { defaultFieldResolver, type GraphQLSchema } from 'graphql';
import './modules/auth/viewer-types.ts';
import './modules/auth/session-mutations.ts';
import './modules/auth/session-types.ts';
import './modules/auth/password-mutations.ts';
import './modules/auth/second-factor-mutations.ts';
import './modules/auth/api-key-types.ts';
import './modules/auth/api-key-mutations.ts';
import './modules/auth/audit-types.ts';
import './modules/datasets/dataset-types.ts';
import './modules/datasets/dataset-mutations.ts';
import './modules/quota/quota-types.ts';
import './modules/registry/model-types.ts';
import './modules/registry/model-mutations.ts';
import './modules/registry/predict-mutation.ts';
import './modules/training/run-types.ts';
import './modules/training/run-mutations.ts';
import './modules/training/run-subscription.ts';
import type { RequestContext } from './request-context.ts';
import { builder } from './schema-builder.ts';

/** The whole schema. Its printed form, `schema.graphql`, is the contract. */
export const schema: GraphQLSchema = builder.toSchema();

// A verb owns its transaction: while it works, its request holds no connection that an earlier field has read with.
for (const field of Object.values(schema.getMutationType()!.getFields())) {
  const resolve = field.resolve ?? defaultFieldResolver;
  field.resolve = async (root, args, context: RequestContext, info) => {
    await context.endReads();
    return resolve(root, args, context, info) as unknown;
  };
}
