import { type GraphQLSchema, specifiedDirectives } from 'graphql';
import './modules/auth/viewer-types.ts';
import './modules/auth/session-mutations.ts';
import './modules/auth/session-types.ts';
import './modules/auth/password-mutations.ts';
import './modules/auth/second-factor-mutations.ts';
import './modules/auth/api-key-types.ts';
import './modules/auth/api-key-mutations.ts';
import './modules/auth/audit-types.ts';
import './modules/auth/member-types.ts';
import './modules/auth/member-mutations.ts';
import './modules/auth/permission-types.ts';
import './modules/auth/sso-types.ts';
import './modules/auth/sso-mutations.ts';
import './modules/datasets/dataset-types.ts';
import './modules/datasets/dataset-mutations.ts';
import './modules/quota/quota-types.ts';
import './modules/registry/model-types.ts';
import './modules/registry/model-mutations.ts';
import './modules/registry/predict-mutation.ts';
import './modules/tenants/own-tenant-mutations.ts';
import './modules/tenants/managed-tenant-types.ts';
import './modules/tenants/managed-tenant-mutations.ts';
import './modules/tenants/plan-types.ts';
import './modules/tenants/grant-types.ts';
import './modules/tenants/platform-types.ts';
import './modules/training/run-types.ts';
import './modules/training/run-mutations.ts';
import './modules/training/run-pause-mutations.ts';
import './modules/training/run-queue-types.ts';
import './modules/training/run-subscription.ts';
import { auditRootFields } from './audited-fields.ts';
import { accessDirective } from './field-access.ts';
import { builder } from './schema-builder.ts';

/** The whole schema. Its printed form, `schema.graphql`, is the contract. */
export const schema: GraphQLSchema = builder.toSchema({ directives: [...specifiedDirectives, accessDirective] });

auditRootFields(schema);
