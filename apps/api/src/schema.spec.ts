import { readFile } from 'node:fs/promises';
import { buildSchema, getNamedType, isEnumType, isInputObjectType, isInterfaceType, isObjectType, isUnionType } from 'graphql';
import { rootFieldsOf } from './field-access.ts';
import { permissionPage } from './permission-page.ts';
import { printContract } from './printed-schema.ts';
import { schema } from './schema.ts';

const types = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'));

it('the committed schema.graphql is the schema', async () => {
  const committed = await readFile(new URL('../schema.graphql', import.meta.url), 'utf8');
  expect(printContract(schema)).toBe(committed);
});

it('the committed docs/permissions.md is the permission table', async () => {
  expect(permissionPage(schema)).toBe(await readFile(new URL('../../../docs/permissions.md', import.meta.url), 'utf8'));
});

it('says of every root field who may ask for it, as it is enforced', () => {
  const printed = buildSchema(printContract(schema));
  for (const { name, access } of rootFieldsOf(schema)) {
    const [type, field] = name.split('.') as [string, string];
    const found = printed.getType(type);
    const directives = isObjectType(found) ? found.getFields()[field]?.astNode?.directives : undefined;
    const said = directives?.map((directive) => [directive.name.value, directive.arguments?.map((argument) => [argument.name.value, (argument.value as { value: unknown }).value])]);
    expect([name, said]).toEqual([name, [['access', Object.entries(access)]]]);
  }
});

it('every type, field, argument and value is described', () => {
  const bare: string[] = [];
  const check = (name: string, { description }: { description?: string | null | undefined }): void => {
    if (!description) bare.push(name);
  };
  for (const type of types) {
    check(type.name, type);
    if (isEnumType(type) && type.getValues().some(({ description }) => description)) {
      for (const value of type.getValues()) check(`${type.name}.${value.name}`, value);
    }
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      check(`${type.name}.${field.name}`, field);
      if ('args' in field) for (const argument of field.args) check(`${type.name}.${field.name}(${argument.name})`, argument);
    }
  }
  expect(bare).toEqual([]);
});

it('every mutation answers with a union of its success and of typed errors', () => {
  for (const field of Object.values(schema.getMutationType()!.getFields())) {
    const name = field.name[0]!.toUpperCase() + field.name.slice(1);
    const payload = schema.getType(`${name}Payload`);
    expect(String(field.type)).toBe(`${name}Payload!`);
    if (!isUnionType(payload)) throw new Error(`${name}Payload is no union`);
    for (const member of payload.getTypes()) {
      const isError = member.getInterfaces().some((type) => type.name === 'Error');
      expect([member.name, isError]).toEqual([member.name, member.name.endsWith('Error')]);
    }
  }
});

it('lists are bounded: each connection takes first and after', () => {
  for (const type of types) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const named = getNamedType(field.type);
      // The connection to an OpenID provider is none: it has no edges.
      const isPage = named.name.endsWith('Connection') && isObjectType(named) && 'edges' in named.getFields();
      if (isPage) expect(field.args.map(({ name }) => name)).toEqual(expect.arrayContaining(['first', 'after']));
    }
  }
});
