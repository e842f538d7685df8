import { builder } from '../../schema-builder.ts';

/** The success of a mutation that has done something to a run. */
export const runSuccess = <Name extends string>(name: Name, description: string) =>
  builder.objectRef<{ __typename: Name; runId: string }>(name).implement({
    description,
    fields: (t) => ({
      run: t.prismaField({
        type: 'Run',
        description: 'The run.',
        resolve: (query, { runId: id }, _args, { db, tenantId }) =>
          db.run.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });
