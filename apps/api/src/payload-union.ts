import type { ObjectRef } from '@pothos/core';
import { nameOf } from './error-types.ts';
import { builder, type SchemaTypes } from './schema-builder.ts';

type Outcome = ObjectRef<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>, { __typename: string }>;

/** What a mutation may come to, named after it: of `createApiKey` the `CreateApiKeyPayload`. */
export function payloadUnion<Member extends Outcome>(mutation: string, types: Member[]) {
  return builder.unionType(`${mutation[0]!.toUpperCase()}${mutation.slice(1)}Payload`, { description: `Outcomes of ${mutation}.`, types, resolveType: nameOf });
}
