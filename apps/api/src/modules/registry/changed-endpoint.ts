import { type conflictError, type invalidInputError, type notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

type Refusal = typeof invalidInputError | typeof notFoundError | typeof conflictError;
type Change = 'SetEndpointTraffic' | 'PromoteRollout' | 'RollBackEndpoint' | 'UpdateEndpointServing' | 'SetEndpointWebhook';

/** A success that is the endpoint as it is now, and the payload that holds it beside what may be refused. */
export function changedEndpoint<Name extends Change>(name: Name, verb: string, refusals: Refusal[]) {
  const success = builder.objectRef<{ __typename: `${Name}Success`; endpointId: string }>(`${name}Success`).implement({
    description: 'The inference servers follow within a second.',
    fields: (t) => ({
      endpoint: t.prismaField({
        type: 'Endpoint',
        description: 'The endpoint.',
        resolve: (query, { endpointId: id }, _args, { db, tenantId }) => db.endpoint.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });
  return payloadUnion(verb, [success, ...refusals]);
}
