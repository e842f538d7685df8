import fc, { type GeneratorValue } from 'fast-check';
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedOutputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql';

export interface GeneratedOperation {
  query: string;
  variables: Record<string, unknown>;
}

/** What walks the schema, and what it may fill arguments with. */
export interface OperationGenerator {
  /** an operation that fits the schema; its values may still be nonsense */
  valid(gen: GeneratorValue): GeneratedOperation;
  /** one that was valid until something in its text or its variables was changed */
  broken(gen: GeneratorValue): GeneratedOperation;
}

const deepest = 5;
const oddTexts = ['', '0', 'null', 'a\nb', '"', '\\', '\u202e', '😀'.repeat(50), '%00', "'; DROP TABLE runs; --", '../../etc/passwd', 'x'.repeat(5000), '{{7*7}}', '\ud800'];
const oddJson: unknown[] = [JSON.parse('{"__proto__":{"a":1}}'), { constructor: { prototype: 1 } }, JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`), 1e308, -0, '\0', [[], {}]];
const oddMoments = ['2026-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', 'yesterday', '2026-01-01', '+010000-01-01T00:00:00Z'];

export function createOperationGenerator(schema: GraphQLSchema, ids: readonly string[]): OperationGenerator {
  function valid(gen: GeneratorValue): GeneratedOperation {
    const chance = (percent: number): boolean => gen(fc.integer, { min: 0, max: 99 }) < percent;
    const oneOf = <T>(values: readonly T[]): T => values[gen(fc.nat, { max: values.length - 1 })]!;
    const variables: Record<string, unknown> = {};
    const declared: string[] = [];

    /** A value as JSON has it. Absent is `undefined`. */
    function valueOf(type: GraphQLInputType, depth: number): unknown {
      if (isNonNullType(type)) return valueOf(type.ofType, depth);
      if (isListType(type)) return Array.from({ length: gen(fc.nat, { max: 3 }) }, () => valueOf(type.ofType, depth + 1));
      if (isEnumType(type)) return oneOf(type.getValues()).name;
      if (isInputObjectType(type)) {
        const chosen = Object.values(type.getFields()).filter((field) => isNonNullType(field.type) || (depth < deepest && chance(50)));
        const fields = type.isOneOf ? [oneOf(Object.values(type.getFields()))] : chosen;
        return Object.fromEntries(fields.map((field) => [field.name, valueOf(field.type, depth + 1)]));
      }
      switch (type.name) {
        case 'ID':
          return chance(80) ? oneOf(ids) : gen(fc.string);
        case 'Int':
          return chance(70) ? gen(fc.integer, { min: -1, max: 101 }) : gen(fc.integer);
        case 'Float':
          return gen(fc.double, { noNaN: true, noDefaultInfinity: true });
        case 'Boolean':
          return gen(fc.boolean);
        case 'DateTime':
          return oneOf(oddMoments);
        case 'BigInt':
          return chance(50) ? gen(fc.maxSafeInteger) : oneOf(['9223372036854775807', '9223372036854775808', '-1', '1e3', '']);
        case 'JSON':
          return chance(70) ? JSON.parse(JSON.stringify(gen(fc.jsonValue))) : oneOf(oddJson);
        default:
          return chance(60) ? gen(fc.string, { unit: 'binary' }) : chance(50) ? oneOf(oddTexts) : oneOf(ids);
      }
    }

    function argument({ name, type }: GraphQLArgument | GraphQLInputField): string {
      const value = valueOf(type, 0);
      if (chance(50)) return `${name}: ${literal(value, type)}`;
      const variable = `v${declared.length}`;
      declared.push(`$${variable}: ${String(type)}`);
      variables[variable] = value;
      return `${name}: $${variable}`;
    }

    function field(of: GraphQLField<unknown, unknown>, depth: number): string {
      const given = of.args.filter((arg) => (isNonNullType(arg.type) && arg.defaultValue === undefined) || chance(50)).map(argument);
      const inner = selection(getNamedType(of.type), depth);
      return `${of.name}${given.length ? `(${given.join(', ')})` : ''}${inner}`;
    }

    function selection(type: GraphQLNamedOutputType, depth: number): string {
      if (isUnionType(type)) return ` { __typename ${type.getTypes().map((member) => (chance(70) ? `... on ${member.name}${selection(member, depth)}` : '')).join(' ')} }`;
      if (!isObjectType(type) && !isInterfaceType(type)) return '';
      const fields = Object.values(type.getFields());
      const chosen = fields.filter(({ type: inner }) => (depth < deepest || !('getFields' in getNamedType(inner))) && chance(depth < 2 ? 50 : 30));
      // Equal names with other arguments would not merge: in each place one of a name.
      return ` { __typename ${chosen.filter(({ type: inner }) => depth < deepest || !isUnionType(getNamedType(inner))).map((one) => field(one, depth + 1)).join(' ')} }`;
    }

    const kind = chance(60) ? 'query' : 'mutation';
    const root = (kind === 'query' ? schema.getQueryType() : schema.getMutationType()) as GraphQLObjectType;
    const roots = Array.from({ length: 1 + gen(fc.nat, { max: 2 }) }, (_, i) => `r${i}: ${field(oneOf(Object.values(root.getFields())), 1)}`);
    return { query: `${kind} G${declared.length ? `(${declared.join(', ')})` : ''} { ${roots.join(' ')} }`, variables };
  }

  function broken(gen: GeneratorValue): GeneratedOperation {
    const { query, variables } = valid(gen);
    const names = Object.keys(variables);
    if (names.length && gen(fc.boolean)) {
      const name = names[gen(fc.nat, { max: names.length - 1 })]!;
      const value = gen(() => fc.oneof(fc.jsonValue(), fc.constantFrom(...oddTexts, ...oddJson), fc.constant(undefined)));
      return { query, variables: { ...variables, [name]: value } };
    }
    const at = gen(fc.nat, { max: query.length });
    const length = gen(fc.nat, { max: 12 });
    const inserted = gen(() => fc.oneof(fc.constantFrom('', '{', '}', '(', ')', '"', '"""', '$', '@skip(if: true)', '@x', '...', '!', '# ', '__schema { types { name } }', '\0', '\ufeff', '9'.repeat(400)), fc.string()));
    return { query: query.slice(0, at) + inserted + query.slice(at + length), variables };
  }

  return { valid, broken };
}

function literal(value: unknown, type: GraphQLInputType): string {
  const bare = isNonNullType(type) ? type.ofType : type;
  if (isListType(bare)) return `[${(value as unknown[]).map((item) => literal(item, bare.ofType)).join(', ')}]`;
  if (isEnumType(bare)) return String(value);
  if (isInputObjectType(bare)) {
    const fields = bare.getFields();
    return `{ ${Object.entries(value as object).map(([name, item]) => `${name}: ${literal(item, fields[name]!.type)}`).join(', ')} }`;
  }
  return bare.name === 'JSON' ? jsonLiteral(value) : JSON.stringify(value);
}

function jsonLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonLiteral).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  // Only what GraphQL can name: other keys come in variables.
  const fields = Object.entries(value).filter(([key]) => /^[_A-Za-z]\w*$/.test(key));
  return `{ ${fields.map(([key, item]) => `${key}: ${jsonLiteral(item)}`).join(', ')} }`;
}
