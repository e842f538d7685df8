import type { Permission } from '@millrace/auth';
import SchemaBuilder, { BasePlugin, type FieldNullability, type InputFieldMap, type PothosOutputFieldConfig, type SchemaTypes, type TypeParam } from '@pothos/core';
import {
  DirectiveLocation,
  type GraphQLField,
  GraphQLBoolean,
  GraphQLDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLString,
  isObjectType,
} from 'graphql';

/** Who may ask for a root field. */
export type FieldAccess = { public: true } | { signedIn: true } | { permission: Permission };

/** What every root field says of itself. */
export interface RootField {
  /** as it stands in the schema, such as `Mutation.submitRun` */
  name: string;
  field: GraphQLField<unknown, unknown>;
  access: FieldAccess;
  /** the word for it in the audit trail: of a mutation its domain verb, such as `run.submit` */
  action: string;
}

/** How the access of a root field stands in the printed schema. */
export const accessDirective = new GraphQLDirective({
  name: 'access',
  description: 'Who may ask for this: anybody (public), whoever is signed in, or whoever holds the permission.',
  locations: [DirectiveLocation.FIELD_DEFINITION],
  args: {
    permission: { type: GraphQLString, description: 'Held by roles and by scopes of keys; see permissionTable.' },
    public: { type: GraphQLBoolean, description: 'Nobody needs to be signed in.' },
    signedIn: { type: GraphQLBoolean, description: 'Any valid credential will do.' },
  },
});

const rootKinds = new Set(['Query', 'Mutation', 'Subscription']);
const actionShape = /^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$/;

/* eslint-disable @typescript-eslint/no-namespace, @typescript-eslint/no-unused-vars -- how Pothos takes the types of a plugin */
declare global {
  export namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      fieldAccess: FieldAccessPlugin<Types>;
    }
    interface MutationFieldOptions<
      Types extends SchemaTypes,
      Type extends TypeParam<Types>,
      Nullable extends FieldNullability<Type>,
      Args extends InputFieldMap,
      ResolveReturnShape,
    > {
      /** the word for it in the audit trail, which its domain verb writes, such as `run.submit` */
      action: string;
    }
  }
}
/* eslint-enable @typescript-eslint/no-namespace, @typescript-eslint/no-unused-vars */

/**
 * No root field without saying who may ask for it. `authScopes` is what the scope plugin enforces; the very same
 * declaration is kept here for the schema, the permission table and the audit trail.
 */
class FieldAccessPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  readonly #problems: string[] = [];

  override onOutputFieldConfig(config: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    if (!rootKinds.has(config.kind)) return config;
    const name = `${config.parentType}.${config.name}`;
    const { authScopes, action } = config.pothosOptions as { authScopes?: unknown; action?: string };
    const access = accessOf(authScopes);
    if (!access) {
      this.#problems.push(`${name} does not say who may ask for it. Give it authScopes: { permission: '…' }, { signedIn: true } or { public: true }.`);
    }
    if (config.kind === 'Mutation' && !(action && actionShape.test(action))) {
      this.#problems.push(`${name} has no word for the audit trail. Give it action: 'thing.verb', the one that its domain verb writes.`);
    }
    const word = action ?? `${config.parentType.toLowerCase()}.${config.name}`;
    return { ...config, extensions: { ...config.extensions, access, action: word } };
  }

  override afterBuild(schema: GraphQLSchema): GraphQLSchema {
    if (this.#problems.length) throw new Error(`The schema has root fields that nobody may rely on:\n${this.#problems.join('\n')}`);
    return schema;
  }
}

/** Null for what is missing, or is no single plain condition that could be shown to people. */
function accessOf(scopes: unknown): FieldAccess | null {
  if (typeof scopes !== 'object' || scopes === null) return null;
  const [entry, ...more] = Object.entries(scopes);
  if (!entry || more.length) return null;
  const [name, value] = entry;
  if (name === 'permission' && typeof value === 'string') return { permission: value as Permission };
  if (name === 'public' && value === true) return { public: true };
  if (name === 'signedIn' && value === true) return { signedIn: true };
  return null;
}

export const fieldAccessPlugin = 'fieldAccess' as const;
SchemaBuilder.registerPlugin(fieldAccessPlugin, FieldAccessPlugin);

/** All root fields of a schema: queries, mutations, subscriptions, each by name. */
export function rootFieldsOf(schema: GraphQLSchema): RootField[] {
  const types = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter((type): type is GraphQLObjectType => isObjectType(type));
  return types.flatMap((type) =>
    Object.values(type.getFields()).map((field) => {
      const { access, action } = field.extensions as unknown as Pick<RootField, 'access' | 'action'>;
      return { name: `${type.name}.${field.name}`, field, access, action };
    }),
  );
}
