import { databaseEnums } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import type { UsageLimitView } from '@millrace/quota';
import { invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const scopeEnum = builder.enumType(databaseEnums.UsageScope, {
  name: 'UsageScope',
  description: 'Whose predictions a limit counts: TENANT and PLAN all of the tenant’s (set by operators), KEY those of one API key, MODEL those of one endpoint, MEMBER those of one person.',
});
const ownScopeEnum = builder.enumType('OwnUsageScope', { description: 'What a tenant sets limits for by itself.', values: ['KEY', 'MODEL', 'MEMBER'] as const });
export const measureEnum = builder.enumType(databaseEnums.UsageMeasure, { name: 'UsageMeasure', description: 'What a limit counts: REQUESTS that were answered, or ROWS in them.' });
export const periodEnum = builder.enumType(databaseEnums.UsagePeriod, {
  name: 'UsagePeriod',
  description: 'MINUTE, DAY and MONTH are those of the calendar, in UTC, and exact. RATE: requests a minute that come back one by one, evenly.',
});

const raiseType = builder.objectRef<NonNullable<UsageLimitView['raise']>>('UsageLimitRaise').implement({
  description: 'More than a limit for a while.',
  fields: (t) => ({
    by: t.field({ type: 'BigInt', description: 'How much more.', resolve: ({ by }) => BigInt(by) }),
    until: t.expose('until', { type: 'DateTime', description: 'When it ends.' }),
    reason: t.exposeString('reason', { description: 'Why.' }),
  }),
});

export const usageLimitType = builder.objectRef<UsageLimitView>('UsageLimit').implement({
  description: 'How much may be predicted in a period. Reached exactly and never exceeded, by any number of inference servers.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'lim_…' }),
    scope: t.expose('scope', { type: scopeEnum, description: 'Whose predictions it counts.' }),
    subject: t.exposeString('subject', { description: 'Id of the key or person, name of the endpoint; empty for the tenant and its plan.' }),
    measure: t.expose('measure', { type: measureEnum, description: 'What it counts.' }),
    period: t.expose('period', { type: periodEnum, description: 'When it begins anew.' }),
    limit: t.field({ type: 'BigInt', description: 'The most, without a raise.', resolve: ({ limit }) => BigInt(limit) }),
    softLimit: t.field({ type: 'BigInt', nullable: true, description: 'From here on answers and this list say that the limit comes near.', resolve: ({ softLimit }) => softLimit === null ? null : BigInt(softLimit) }),
    raise: t.field({ type: raiseType, nullable: true, description: 'More than that for a while, given by an operator.', resolve: ({ raise }) => raise }),
    used: t.field({ type: 'BigInt', description: 'In the present period; servers hold a little of it ahead.', resolve: ({ used }) => BigInt(used) }),
    resetsAt: t.expose('resetsAt', { type: 'DateTime', description: 'When the present period ends.' }),
    isNear: t.exposeBoolean('isNear', { description: 'Whether the soft limit is reached.' }),
  }),
});

const success = <Name extends string>(name: Name, description: string) =>
  builder.objectRef<{ __typename: Name; limit: UsageLimitView }>(name).implement({
    description,
    fields: (t) => ({ limit: t.expose('limit', { type: usageLimitType, description: 'The limit as it is now.' }) }),
  });

const setSuccess = success('SetUsageLimitSuccess', 'The limit holds, everywhere within a second.');
const setForTenantSuccess = builder.objectRef<{ __typename: 'SetTenantUsageLimitSuccess'; limit: UsageLimitView | null }>('SetTenantUsageLimitSuccess').implement({
  description: 'It holds, everywhere within a second.',
  fields: (t) => ({ limit: t.expose('limit', { type: usageLimitType, nullable: true, description: 'The limit as it is now; null when there is none any more.' }) }),
});
const raiseSuccess = success('RaiseUsageLimitSuccess', 'The raise holds, everywhere within a second, until its end.');
const removeSuccess = builder.objectRef<{ __typename: 'RemoveUsageLimitSuccess'; id: string }>('RemoveUsageLimitSuccess').implement({
  description: 'The limit is gone, everywhere within a second.',
  fields: (t) => ({ id: t.exposeID('id', { description: 'Of the limit that was.' }) }),
});

const setPayload = payloadUnion('setUsageLimit', [setSuccess, invalidInputError, notFoundError]);
const removePayload = payloadUnion('removeUsageLimit', [removeSuccess, notFoundError]);
const setForTenantPayload = payloadUnion('setTenantUsageLimit', [setForTenantSuccess, invalidInputError, notFoundError]);
const raisePayload = payloadUnion('raiseUsageLimit', [raiseSuccess, invalidInputError, notFoundError]);

const setInput = builder.inputType('SetUsageLimitInput', {
  description: 'A limit for a key, a model or a member. It takes the place of the one for the same measure and period.',
  fields: (t) => ({
    scope: t.field({ type: ownScopeEnum, required: true, description: 'Whose predictions it counts.' }),
    subject: t.string({ required: true, description: 'Id of the key or of the person, or name of the endpoint.' }),
    measure: t.field({ type: measureEnum, required: true, description: 'What it counts.' }),
    period: t.field({ type: periodEnum, required: true, description: 'When it begins anew.' }),
    limit: t.field({ type: 'BigInt', required: true, description: 'The most: 0 to 10^12.' }),
    softLimit: t.field({ type: 'BigInt', description: 'From here on it is said that the limit comes near; null for no such notice.' }),
  }),
});
const removeInput = builder.inputType('RemoveUsageLimitInput', {
  description: 'A limit to be removed.',
  fields: (t) => ({ id: t.id({ required: true, description: 'lim_…, of a key, a model or a member' }) }),
});
const setForTenantInput = builder.inputType('SetTenantUsageLimitInput', {
  description: 'A limit of a tenant itself, beside those of its plan. It takes the place of the one for the same measure and period.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'ten_…' }),
    measure: t.field({ type: measureEnum, required: true, description: 'What it counts.' }),
    period: t.field({ type: periodEnum, required: true, description: 'When it begins anew.' }),
    limit: t.field({ type: 'BigInt', description: 'The most: 0 to 10^12; null removes it.' }),
    softLimit: t.field({ type: 'BigInt', description: 'From here on it is said that the limit comes near; null for no such notice.' }),
  }),
});
const raiseInput = builder.inputType('RaiseUsageLimitInput', {
  description: 'More than a limit for a while. It takes the place of the raise before.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'ten_…' }),
    limitId: t.id({ required: true, description: 'lim_…, of the tenant itself or of its plan' }),
    by: t.field({ type: 'BigInt', required: true, description: 'How much more; 0 ends a raise.' }),
    until: t.field({ type: 'DateTime', required: true, description: 'When it ends: within a year.' }),
    reason: t.string({ required: true, description: 'Why: 1 to 200 characters, for the audit trail.' }),
  }),
});

/** A missing thing is an outcome here. */
async function orNotFound<T>(outcome: Promise<T>): Promise<T | ReturnType<typeof notFound>> {
  return outcome.catch((error: unknown) => {
    if (error instanceof DomainError && error.code === 'NOT_FOUND') return { ...notFound('limit', error.field ?? 'id', error.message), ...(error.remedy !== undefined && { remedy: error.remedy }) };
    throw error;
  });
}

builder.queryField('usageLimits', (t) =>
  t.field({
    type: [usageLimitType],
    authScopes: { permission: 'usage:read' },
    description: 'Limits of what may be predicted: the tenant’s own and its plan’s, those of keys, models and members, with what is used of them.',
    resolve: (_root, _args, { services, signedIn }) => services.quota.usageLimits.list(signedIn),
  }),
);

builder.mutationFields((t) => ({
  setUsageLimit: t.field({
    type: setPayload,
    action: 'limit.set',
    authScopes: { permission: 'key:write' },
    description: 'Limits what a key, a model or a member may predict. For people, not keys; a model’s needs endpoint:write as well, a member’s member:write.',
    args: { input: t.arg({ type: setInput, required: true, description: 'The limit.' }) },
    resolve: (_root, { input: { limit, softLimit, ...input } }, { services, signedIn }) =>
      orNotFound(
        services.quota.usageLimits.set(signedIn, { ...input, limit: Number(limit), softLimit: softLimit == null ? null : Number(softLimit) }).then((outcome) =>
          outcome.type === 'invalid' ? invalidInput(outcome.problems) : { __typename: 'SetUsageLimitSuccess' as const, limit: outcome.limit },
        ),
      ),
  }),
  removeUsageLimit: t.field({
    type: removePayload,
    action: 'limit.remove',
    authScopes: { permission: 'key:write' },
    description: 'Removes the limit of a key, a model or a member.',
    args: { input: t.arg({ type: removeInput, required: true, description: 'The limit.' }) },
    resolve: (_root, { input: { id } }, { services, signedIn }) =>
      orNotFound(services.quota.usageLimits.remove(signedIn, id).then(() => ({ __typename: 'RemoveUsageLimitSuccess' as const, id }))),
  }),
  setTenantUsageLimit: t.field({
    type: setForTenantPayload,
    action: 'tenant.limit',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: limits what a tenant may predict.',
    args: { input: t.arg({ type: setForTenantInput, required: true, description: 'Tenant and limit.' }) },
    resolve: (_root, { input: { tenantId, limit, softLimit, ...input } }, { services, signedIn }) =>
      orNotFound(
        services.quota.usageLimits
          .setForTenant(signedIn, tenantId, { ...input, limit: limit == null ? null : Number(limit), softLimit: softLimit == null ? null : Number(softLimit) })
          .then((outcome) =>
            outcome.type === 'invalid'
              ? invalidInput(outcome.problems)
              : { __typename: 'SetTenantUsageLimitSuccess' as const, limit: outcome.type === 'set' ? outcome.limit : null },
          ),
      ),
  }),
  raiseUsageLimit: t.field({
    type: raisePayload,
    action: 'tenant.raise',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: lets a tenant have more than a limit for a while, for a reason that stands in its audit trail.',
    args: { input: t.arg({ type: raiseInput, required: true, description: 'Limit and raise.' }) },
    resolve: (_root, { input }, { services, signedIn }) =>
      orNotFound(
        services.quota.usageLimits.raise(signedIn, { ...input, by: Number(input.by) }).then((outcome) =>
          outcome.type === 'invalid' ? invalidInput(outcome.problems) : { __typename: 'RaiseUsageLimitSuccess' as const, limit: outcome.limit },
        ),
      ),
  }),
}));
