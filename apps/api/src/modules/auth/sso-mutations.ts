import type { DomainOutcome } from '@millrace/auth';
import { isId } from '@millrace/kernel';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import type { RequestContext } from '../../request-context.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { roleEnum } from './viewer-types.ts';

const groupRoleInput = builder.inputType('GroupRoleInput', {
  description: 'A group at the OpenID provider, and the role that it gives here.',
  fields: (t) => ({
    group: t.string({ required: true, description: 'As the provider names it.' }),
    role: t.field({ type: roleEnum, required: true, description: 'No higher than your own.' }),
  }),
});

const saveSsoConnectionInput = builder.inputType('SaveSsoConnectionInput', {
  description: 'A connection to the tenant’s own OpenID provider.',
  fields: (t) => ({
    issuer: t.string({ required: true, description: 'The provider’s name for itself, such as https://login.example.com.' }),
    clientId: t.string({ required: true, description: 'How the provider knows this installation.' }),
    clientSecret: t.string({ description: 'Left out: as it was. Null: a client without a secret.' }),
    groupsClaim: t.string({ required: true, defaultValue: 'groups', description: 'The claim that lists a person’s groups: a name, or a path such as realm_access.roles.' }),
    roleByGroup: t.field({ type: [groupRoleInput], required: true, defaultValue: [], description: 'The groups that have a role here: 200 at most.' }),
    defaultRole: t.field({ type: roleEnum, description: 'Of those in none of these groups; null keeps them out.' }),
    required: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Members in verified domains, but for owners, can no longer come in by password; sessions that did end.',
    }),
  }),
});

const saveSsoConnectionSuccess = builder.objectRef<{ __typename: 'SaveSsoConnectionSuccess' }>('SaveSsoConnectionSuccess').implement({
  description: 'The connection counts from the next sign-in on.',
  fields: (t) => ({
    ssoConnection: t.prismaField({
      type: 'SsoConnection',
      description: 'As it is now.',
      resolve: (query, _success, _args, { db, tenantId }) => db.ssoConnection.findUniqueOrThrow({ ...query, where: { tenantId } }),
    }),
  }),
});

const saveSsoConnectionPayload = payloadUnion('saveSsoConnection', [saveSsoConnectionSuccess, invalidInputError]);

const removeSsoConnectionSuccess = builder.objectRef<{ __typename: 'RemoveSsoConnectionSuccess'; removed: boolean }>('RemoveSsoConnectionSuccess').implement({
  description: 'Nobody comes in by it any more; who did is out within a second.',
  fields: (t) => ({ removed: t.exposeBoolean('removed', { description: 'Always true.' }) }),
});

const removeSsoConnectionPayload = payloadUnion('removeSsoConnection', [removeSsoConnectionSuccess, notFoundError]);

const claimDomainInput = builder.inputType('ClaimDomainInput', {
  description: 'An e-mail domain to be claimed.',
  fields: (t) => ({ domain: t.string({ required: true, description: 'What follows the @, such as example.com.' }) }),
});

const verifyDomainInput = builder.inputType('VerifyDomainInput', {
  description: 'A claim to be proved.',
  fields: (t) => ({ id: t.id({ required: true, description: 'dom_…' }) }),
});

const approveDomainInput = builder.inputType('ApproveDomainInput', {
  description: 'A claim of some tenant to be approved.',
  fields: (t) => ({ id: t.id({ required: true, description: 'dom_…' }) }),
});

const releaseDomainInput = builder.inputType('ReleaseDomainInput', {
  description: 'A claim to be given up.',
  fields: (t) => ({ id: t.id({ required: true, description: 'dom_…' }) }),
});

interface DomainSuccess<Name extends string> {
  __typename: Name;
  domainClaimId: string;
}

const domainSuccess = <Name extends string>(name: Name, description: string) =>
  builder.objectRef<DomainSuccess<Name>>(name).implement({
    description,
    fields: (t) => ({
      domainClaim: t.prismaField({
        type: 'DomainClaim',
        description: 'The claim.',
        resolve: (query, { domainClaimId: id }, _args, { db, tenantId }) => db.domainClaim.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });

const claimDomainPayload = payloadUnion('claimDomain', [domainSuccess('ClaimDomainSuccess', 'The domain is claimed: put its record into its DNS, then verify it.'), invalidInputError]);

const verifyDomainPayload = payloadUnion('verifyDomain', [domainSuccess('VerifyDomainSuccess', 'The domain is this tenant’s alone.'), notFoundError, conflictError]);

const approveDomainSuccess = builder.objectRef<{ __typename: 'ApproveDomainSuccess'; domain: string; tenantId: string }>('ApproveDomainSuccess').implement({
  description: 'The domain is that tenant’s alone.',
  fields: (t) => ({
    domain: t.exposeString('domain', { description: 'The domain.' }),
    tenantId: t.exposeID('tenantId', { description: 'Whose it is.' }),
  }),
});

const approveDomainPayload = payloadUnion('approveDomain', [approveDomainSuccess, notFoundError, conflictError]);

const releaseDomainSuccess = builder.objectRef<{ __typename: 'ReleaseDomainSuccess'; released: boolean }>('ReleaseDomainSuccess').implement({
  description: 'Nobody of the domain comes in by single sign-on any more; another tenant may claim it.',
  fields: (t) => ({ released: t.exposeBoolean('released', { description: 'Always true.' }) }),
});

const releaseDomainPayload = payloadUnion('releaseDomain', [releaseDomainSuccess, notFoundError]);

const noClaim = () => notFound('domain claim', 'id');

/** What keeps a claim from being proved. */
function refusalOf(outcome: Exclude<DomainOutcome, { type: 'verified' }>) {
  switch (outcome.type) {
    case 'not-found':
      return noClaim();
    case 'taken':
      return conflict('domain_taken', 'id', 'Another tenant has proved that this domain is its own.', 'Ask the operator of this installation, if it is yours.');
    case 'record-missing':
      return conflict('record_missing', 'id', `The DNS of the domain has no TXT record ${outcome.record}.`, 'Add it, wait until it is published, and verify again.');
  }
}

const asClaim = async <T>(id: string, verb: (id: string) => Promise<T>): Promise<T | { type: 'not-found' }> => (isId('domainClaim', id) ? verb(id) : { type: 'not-found' });

const sso = ({ services }: RequestContext) => services.auth.sso;

builder.mutationFields((t) => ({
  saveSsoConnection: t.field({
    type: saveSsoConnectionPayload,
    action: 'sso.save',
    authScopes: { permission: 'sso:write' },
    description: 'Sets the tenant’s single sign-on up, or changes it. The provider is asked first whether it is one.',
    args: { input: t.arg({ type: saveSsoConnectionInput, required: true, description: 'The connection.' }) },
    resolve: async (_root, { input: { clientSecret, defaultRole, ...input } }, context) => {
      const outcome = await sso(context).saveConnection(context.signedIn, {
        ...input,
        defaultRole: defaultRole ?? null,
        ...(clientSecret !== undefined && { clientSecret }),
      });
      return outcome.type === 'saved' ? { __typename: 'SaveSsoConnectionSuccess' as const } : invalidInput(outcome.problems);
    },
  }),
  removeSsoConnection: t.field({
    type: removeSsoConnectionPayload,
    action: 'sso.remove',
    authScopes: { permission: 'sso:write' },
    description: 'Ends the tenant’s single sign-on, and the sessions that were opened by it.',
    resolve: async (_root, _args, context) => {
      const { type } = await sso(context).removeConnection(context.signedIn);
      if (type === 'removed') return { __typename: 'RemoveSsoConnectionSuccess' as const, removed: true };
      return { ...notFound('SSO connection', '', 'The tenant has no single sign-on.'), field: null };
    },
  }),
  claimDomain: t.field({
    type: claimDomainPayload,
    action: 'domain.claim',
    authScopes: { permission: 'sso:write' },
    description: 'Says that an e-mail domain is the tenant’s, which counts for nothing until it is verified. Claiming it twice is no error.',
    args: { input: t.arg({ type: claimDomainInput, required: true, description: 'The domain.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await sso(context).claimDomain(context.signedIn, input);
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      return { __typename: 'ClaimDomainSuccess' as const, domainClaimId: outcome.domainClaim.id };
    },
  }),
  verifyDomain: t.field({
    type: verifyDomainPayload,
    action: 'domain.verify',
    authScopes: { permission: 'sso:write' },
    description: 'Looks for the claim’s record in the domain’s DNS. Verifying it twice is no error.',
    args: { input: t.arg({ type: verifyDomainInput, required: true, description: 'The claim.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await asClaim(input.id, (id) => sso(context).verifyDomain(context.signedIn, id));
      if (outcome.type === 'verified') return { __typename: 'VerifyDomainSuccess' as const, domainClaimId: outcome.domainClaim.id };
      return refusalOf(outcome);
    },
  }),
  approveDomain: t.field({
    type: approveDomainPayload,
    action: 'domain.approve',
    authScopes: { permission: 'platform:write' },
    description: 'An operator’s word instead of the DNS record. It stands in the tenant’s audit trail.',
    args: { input: t.arg({ type: approveDomainInput, required: true, description: 'The claim.' }) },
    resolve: async (_root, { input }, context) => {
      const outcome = await asClaim(input.id, (id) => sso(context).approveDomain(context.signedIn, id));
      if (outcome.type === 'verified') return { __typename: 'ApproveDomainSuccess' as const, domain: outcome.domainClaim.domain, tenantId: outcome.domainClaim.tenantId };
      return refusalOf(outcome);
    },
  }),
  releaseDomain: t.field({
    type: releaseDomainPayload,
    action: 'domain.release',
    authScopes: { permission: 'sso:write' },
    description: 'Gives a claim up.',
    args: { input: t.arg({ type: releaseDomainInput, required: true, description: 'The claim.' }) },
    resolve: async (_root, { input }, context) => {
      const { type } = await asClaim(input.id, (id) => sso(context).releaseDomain(context.signedIn, id));
      return type === 'released' ? { __typename: 'ReleaseDomainSuccess' as const, released: true } : noClaim();
    },
  }),
}));
