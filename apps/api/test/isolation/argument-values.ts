import { idPrefixes } from '@millrace/kernel';
import { getNamedType, type GraphQLInputType, isEnumType, isListType, isNonNullType } from 'graphql';
import { password } from '../api-world.ts';
import type { Slot } from './schema-operations.ts';
import type { Names, TenantUnderTest } from './tenant-under-test.ts';

/**
 * What an argument takes that its name and type don't tell. Only for what a tenant's owner needs to succeed with: names
 * and ids are found by themselves.
 */
const byCoordinate: Record<string, (tenant: TenantUnderTest) => unknown[]> = {
  'SubmitRunInput.spec': ({ spec }) => [spec, {}],
  'RunLimitsInput.memoryMb': () => [512],
  'TrainingLimitsInput.runMemoryMb': () => [512],
  'PredictInput.rows': () => [[{}]],
  'ExplainInput.row': () => [{}],
  'Query.usageReport.from': () => [new Date(Date.now() - 86_400_000).toISOString()],
  'Query.usageReport.to': () => [new Date(Date.now() + 172_800_000).toISOString()],
  'SetUsageLimitInput.scope': () => ['KEY'],
  'SetUsageLimitInput.subject': (tenant) => [...tenant.ids('key')],
  'SetUsageLimitInput.period': () => ['DAY'],
  'SetTenantUsageLimitInput.period': () => ['DAY'],
  'PlanUsageLimitInput.period': () => ['DAY'],
  'RaiseUsageLimitInput.until': () => [new Date(Date.now() + 86_400_000).toISOString()],
  'CreateTenantInput.name': () => ['Yet another', ''],
  'CreateTenantInput.ownerEmail': () => ['boss@yet-another.test', ''],
  'SetModelAliasInput.alias': () => ['spare', ''],
  'DeleteModelAliasInput.alias': () => ['spare', 'champion', 'none'],
  'CreateEndpointInput.alias': () => ['champion'],
  'TrustPackageKeyInput.publicKey': () => ['C'.repeat(43), 'short'],
  'DistrustPackageKeyInput.keyId': ({ marks }) => [`key-id-${marks.canary}`, 'none'],
};

const plainText = 'some text';

/** Values that name what `names` has, best first. */
export function namingValues(slot: Slot, names: Names): unknown[] {
  return asListed(slot.type, namesFor(slot, names));
}

function namesFor({ name, description, type, lists }: Slot, names: Names): unknown[] {
  if (name === 'after' || name === 'before') {
    const kind = lists && `${lists[0]!.toLowerCase()}${lists.slice(1)}`;
    const prefix = kind && kind in idPrefixes ? idPrefixes[kind as keyof typeof idPrefixes] : 'dst';
    return names.ids(prefix).map((id) => Buffer.from(`GPC:S:${id}`).toString('base64'));
  }
  if (getNamedType(type).name === 'ID') {
    // Descriptions of ids say of which kind they are: `run_…`. One that doesn't may be of any.
    const told = [...description.matchAll(/\b([a-z]{3})_…/g)].map((match) => match[1]!);
    const kinds = told.length ? told : Object.values(idPrefixes);
    return kinds.flatMap((prefix) => names.ids(prefix));
  }
  if (/email/i.test(name)) return names.emails;
  if (/slug|confirm/i.test(name)) return names.slugs;
  return [...names.texts, ...names.slugs];
}

/** Values with which a tenant's own owner may succeed, and a few with which not. */
export function ownValues(slot: Slot, tenant: TenantUnderTest, fresh: () => string): unknown[] {
  const known = byCoordinate[slot.coordinate];
  if (known) return known(tenant);
  const { name, type } = slot;
  const named = getNamedType(type);
  if (isEnumType(named)) return asListed(type, named.getValues().map((value) => value.name).reverse());
  switch (named.name) {
    case 'ID':
      return namingValues(slot, tenant);
    case 'Int':
    case 'Float':
    case 'BigInt':
      return asListed(type, [1]);
    case 'Boolean':
      return asListed(type, [true, false]);
    case 'DateTime':
      return asListed(type, [/from|after|since/i.test(name) ? '2020-01-01T00:00:00Z' : '2035-01-01T00:00:00Z']);
    case 'JSON':
      return asListed(type, [{}]);
  }
  if (/password/i.test(name)) return [password, 'x'];
  if (/refreshToken/.test(name)) return [tenant.owner.refreshToken];
  if (/token|code|secret/i.test(name)) return ['x'];
  if (/email|slug|confirm|after|before|domain/i.test(name)) return asListed(type, [...namesFor(slot, tenant), fresh()]);
  if (/name|alias|endpoint|model/i.test(name)) return asListed(type, [fresh(), ...namesFor(slot, tenant), '']);
  return asListed(type, [plainText, '']);
}

/** A value of no meaning: well-formed, and nobody's. */
export function idleValue(slot: Slot, nobody: Names): unknown {
  const { name } = getNamedType(slot.type);
  if (name === 'JSON') return asListed(slot.type, [{}])[0];
  if (name !== 'ID' && name !== 'String') return ownValues({ ...slot, coordinate: '' }, undefined as never, () => plainText)[0];
  if (/password|token|code|secret/i.test(slot.name)) return plainText;
  return namingValues(slot, nobody)[0];
}

function asListed(type: GraphQLInputType, values: readonly unknown[]): unknown[] {
  const isList = isListType(isNonNullType(type) ? type.ofType : type);
  return isList ? values.map((value) => [value]) : [...values];
}

/** The variables of an operation from the values of its slots. */
export function variablesOf(values: readonly { slot: Slot; value: unknown }[]): Record<string, unknown> {
  const variables: Record<string, unknown> = {};
  for (const { slot, value } of values) {
    let place = variables;
    for (const key of slot.path.slice(0, -1)) place = (place[key] ??= {}) as Record<string, unknown>;
    place[slot.path.at(-1)!] = value;
  }
  return variables;
}
