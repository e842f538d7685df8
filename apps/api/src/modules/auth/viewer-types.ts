import { type Actor, can, permissions } from '@millrace/auth';
import { databaseEnums } from '@millrace/database';
import { builder } from '../../schema-builder.ts';

export const roleEnum = builder.enumType(databaseEnums.Role, {
  name: 'Role',
  description: 'What a person may do in a tenant: VIEWER reads, ENGINEER trains and publishes, ADMIN also manages keys and reads the audit trail, OWNER may do everything. OPERATOR belongs to the platform itself: manages tenants and sees no tenant’s data.',
});

builder.prismaNode('Tenant', {
  id: { field: 'id', description: 'ten_…' },
  nullable: true,
  findUnique: (id, context) => ({ id, AND: { id: context.tenantId } }),
  description: 'A company’s team: the unit of isolation, quota and billing.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the team calls itself.' }),
    slug: t.exposeString('slug', { description: 'The name as it stands in addresses.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set up.' }),
    planName: t.exposeString('planName', { nullable: true, description: 'The plan that its limits come from; null for the default ones.' }),
    exportedAt: t.expose('exportedAt', { type: 'DateTime', nullable: true, description: 'When its data was last exported whole.' }),
  }),
});

/** A person may be a member of several tenants: here only one who is of this one. */
const memberWithId = (tenantId: string, id: string) => ({ id, memberships: { some: { tenantId } } });

builder.prismaNode('Person', {
  id: { field: 'id', description: 'per_…' },
  nullable: true,
  findUnique: (id, context) => memberWithId(context.tenantId, id),
  description: 'A human being who is a member of the tenant.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Full name.' }),
    email: t.exposeString('email', { description: 'E-mail address, in lower case.' }),
  }),
});

export const viewerType = builder.objectRef<Actor>('Viewer').implement({
  description: 'Whoever makes this request: a person or an API key, in one tenant.',
  fields: (t) => ({
    tenant: t.prismaField({
      type: 'Tenant',
      description: 'The tenant that everything in reach belongs to.',
      resolve: (query, actor, _args, context) => context.db.tenant.findUniqueOrThrow({ ...query, where: { id: actor.tenantId } }),
    }),
    person: t.prismaField({
      type: 'Person',
      nullable: true,
      description: 'The person; null for an API key, and for an operator with an access grant, who is no member.',
      resolve: (query, actor, _args, context) =>
        actor.type === 'person' && !actor.grantId
          ? context.db.person.findUniqueOrThrow({ ...query, where: memberWithId(actor.tenantId, actor.personId) })
          : null,
    }),
    apiKey: t.prismaField({
      type: 'ApiKey',
      nullable: true,
      description: 'The API key; null for a person.',
      resolve: (query, actor, _args, context) =>
        actor.type === 'key'
          ? context.db.apiKey.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId: actor.tenantId, id: actor.keyId } } })
          : null,
    }),
    role: t.field({
      type: roleEnum,
      nullable: true,
      description: 'The person’s role; null for an API key.',
      resolve: (actor) => (actor.type === 'person' ? actor.role : null),
    }),
    grantId: t.id({
      nullable: true,
      description: 'The access grant by which an operator looks into the tenant; null for everybody else.',
      resolve: (actor) => (actor.type === 'person' ? (actor.grantId ?? null) : null),
    }),
    hasSecondFactor: t.boolean({
      description: 'Whether the person’s sign-in asks for a code beside the password; false for an API key.',
      resolve: async (actor, _args, { db }) => {
        if (actor.type === 'key') return false;
        const person = await db.person.findUnique({ where: memberWithId(actor.tenantId, actor.personId), select: { totpConfirmedAt: true } });
        return person?.totpConfirmedAt != null;
      },
    }),
    inferenceUrl: t.string({
      description: 'Where predictions are served to programs. A loopback address means: on the host of the console.',
      resolve: (_actor, _args, { services }) => services.publicInferenceUrl,
    }),
    permissions: t.stringList({
      description: 'Everything that the caller may do, such as run:submit.',
      resolve: (actor) => permissions.filter((permission) => can(actor, permission)),
    }),
  }),
});

const setupStateType = builder.objectRef<{ isSetUp: boolean; sendsMail: boolean }>('SetupState').implement({
  description: 'Whether this installation has been set up, and what it can do for those who are not signed in.',
  fields: (t) => ({
    isSetUp: t.exposeBoolean('isSetUp', { description: 'Whether there is a tenant yet.' }),
    sendsMail: t.exposeBoolean('sendsMail', { description: 'Whether requestPasswordReset leads to a mail; if not, operators make the links.' }),
  }),
});

builder.queryFields((t) => ({
  setupState: t.field({
    type: setupStateType,
    authScopes: { public: true },
    description: 'Public: whether to show the set-up page or the sign-in page.',
    resolve: async (_root, _args, { services }) => ({ isSetUp: await services.auth.isSetUp(), sendsMail: services.auth.passwords.canSendLinks }),
  }),
  viewer: t.field({
    type: viewerType,
    authScopes: { signedIn: true },
    description: 'Whoever makes this request.',
    resolve: (_root, _args, context) => context.signedIn,
  }),
}));
