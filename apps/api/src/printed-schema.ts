import { astFromValue, GraphQLBoolean, GraphQLString, type GraphQLSchema, Kind, lexicographicSortSchema, parse, print, printSchema } from 'graphql';
import { accessDirective, type FieldAccess, rootFieldsOf } from './field-access.ts';

/**
 * The schema as it is committed: sorted, and with `@access` on every root field, which `printSchema` leaves out. The
 * directives are put in where each field ends, so that all else stays as GraphQL prints it.
 */
export function printContract(schema: GraphQLSchema): string {
  const text = printSchema(lexicographicSortSchema(schema));
  const access = new Map(rootFieldsOf(schema).map((root) => [root.name, root.access]));
  const parts: string[] = [];
  let printed = 0;
  for (const definition of parse(text).definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION) continue;
    for (const field of definition.fields ?? []) {
      const found = access.get(`${definition.name.value}.${field.name.value}`);
      if (!found) continue;
      parts.push(text.slice(printed, field.type.loc!.end), ` ${printAccess(found)}`);
      printed = field.type.loc!.end;
    }
  }
  return `${parts.join('')}${text.slice(printed)}\n`;
}

function printAccess(access: FieldAccess): string {
  const [[name, value]] = Object.entries(access) as [[string, string | boolean]];
  const type = typeof value === 'string' ? GraphQLString : GraphQLBoolean;
  return `@${accessDirective.name}(${name}: ${print(astFromValue(value, type)!)})`;
}
