import { complexityFromQuery } from '@pothos/plugin-complexity';
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedOutputType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { maxTokens, operationRules } from '../../src/operation-limits.ts';

export type RootKind = 'query' | 'mutation' | 'subscription';

/** One value that an operation asks for: an argument, or a field of an input object in one. */
export interface Slot {
  /** as the schema calls it: `Query.run.id`, `CancelRunInput.id` */
  coordinate: string;
  name: string;
  description: string;
  type: GraphQLInputType;
  required: boolean;
  /** where it stands in the variables */
  path: string[];
  /** for a cursor: the type of what the connection lists */
  lists?: string;
}

export interface Operation {
  root: RootKind;
  /** the root field */
  field: string;
  /** what it looks at, for messages */
  name: string;
  text: string;
  slots: Slot[];
}

/** The product's own limit. */
const complexityLimit = 20_000;
/** Pages are as long as the limit lets them be, and so long at least. */
const shortestPage = 3;
const longerPages = [50, 10];

/** Every field of every object type, as `Type.field`: what has to be covered. */
export function fieldsOf(schema: GraphQLSchema): string[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
    .flatMap((type) => Object.keys((type as { getFields(): object }).getFields()).map((field) => `${type.name}.${field}`))
    .sort();
}

/**
 * Whether a slot names something that somebody may have. Credentials are none, since whoever has one may use it, and
 * free texts are none.
 */
export function namesSomething({ type, name }: Slot): boolean {
  const { name: typeName } = getNamedType(type);
  if (typeName === 'ID') return true;
  return typeName === 'String' && !/password|token|code|secret|description|reason|filename|mediaType|note/i.test(name);
}

export function createOperations(schema: GraphQLSchema) {
  const roots: Record<RootKind, string> = { query: 'Query', mutation: 'Mutation', subscription: 'Subscription' };

  const rootField = (root: RootKind, field: string): GraphQLField<unknown, unknown> => {
    const type = schema.getType(roots[root]);
    if (!isObjectType(type)) throw new Error(`there is no type ${roots[root]}`);
    return type.getFields()[field]!;
  };

  /** A page is asked for as a short one; all else that is optional is left out. */
  const paging = (field: GraphQLField<unknown, unknown>): string => (field.args.some(({ name }) => name === 'first') ? `(first: ${shortestPage})` : '');
  const isSimple = (field: GraphQLField<unknown, unknown>): boolean => field.args.every((arg) => !isNonNullType(arg.type) || arg.defaultValue !== undefined);

  /** All fields of a type, and of what they lead to, so many levels deep. `only` narrows the first level down. */
  function selection(type: GraphQLNamedOutputType, depth: number, only?: (field: string) => boolean): string {
    if (isLeafType(type)) return '';
    if (isAbstractType(type)) {
      const members = schema.getPossibleTypes(type).map((member) => ({ member, fields: fieldsIn(member, depth, only) }));
      const shapes = new Map<string, string>();
      const parts = members.map(({ member, fields }) => {
        // Fields of one name but different types may stand side by side under different names only.
        const lines = fields.map(({ name, shape, text }) => {
          const known = shapes.get(name) ?? shape;
          shapes.set(name, known);
          return known === shape ? text : `${name}__${member.name}: ${text}`;
        });
        return lines.length ? `... on ${member.name} { ${lines.join(' ')} }` : '';
      });
      return `{ __typename ${parts.join(' ')} }`;
    }
    return `{ __typename ${fieldsIn(type, depth, only).map(({ text }) => text).join(' ')} }`;
  }

  function fieldsIn(type: GraphQLNamedOutputType, depth: number, only: (field: string) => boolean = () => true) {
    if (!isObjectType(type) && !isInterfaceType(type)) return [];
    return Object.values(type.getFields())
      .filter((field) => only(field.name) && isSimple(field))
      .filter((field) => isLeafType(getNamedType(field.type)) || depth > 0)
      .map((field) => ({
        name: field.name,
        shape: String(field.type),
        text: `${field.name}${paging(field)} ${selection(getNamedType(field.type), depth - 1)}`.trim(),
      }));
  }

  interface Step {
    /** the type that has the field: a fragment leads to it where the field before is abstract */
    on: string;
    field: GraphQLField<unknown, unknown>;
  }

  /** The shortest way from a type to every object type that can be reached from it. */
  function waysFrom(start: GraphQLNamedOutputType): Map<string, Step[]> {
    const ways = new Map<string, Step[]>();
    const waiting: { type: GraphQLNamedOutputType; way: Step[] }[] = [{ type: start, way: [] }];
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { way } = next;
      for (const type of isAbstractType(next.type) ? schema.getPossibleTypes(next.type) : [next.type]) {
        if (!isObjectType(type) || ways.has(type.name)) continue;
        ways.set(type.name, way);
        for (const field of Object.values(type.getFields())) {
          if (isSimple(field)) waiting.push({ type: getNamedType(field.type), way: [...way, { on: type.name, field }] });
        }
      }
    }
    return ways;
  }

  /** What lies at the end of the way, in what lies along it. */
  function along(start: GraphQLNamedOutputType, way: Step[], end: string, inner: string): string {
    const [step, ...rest] = way;
    const within = step ? `${step.field.name}${paging(step.field)} ${along(getNamedType(step.field.type), rest, end, inner)}` : inner.slice(1, -1);
    const on = step?.on ?? end;
    return isAbstractType(start) ? `{ __typename ... on ${on} { ${within} } }` : `{ __typename ${within} }`;
  }

  function slotsOf(owner: string, args: readonly (GraphQLArgument | GraphQLInputField)[], path: string[], required: boolean): Slot[] {
    return args.flatMap((arg): Slot[] => {
      const needed = required && isNonNullType(arg.type) && arg.defaultValue === undefined;
      const here = [...path, arg.name];
      const type = getNamedType(arg.type);
      if (isInputObjectType(type) && !isListType(isNonNullType(arg.type) ? arg.type.ofType : arg.type)) {
        return slotsOf(type.name, Object.values(type.getFields()), here, needed);
      }
      return [{ coordinate: `${owner}.${arg.name}`, name: arg.name, description: arg.description ?? '', type: arg.type, required: needed, path: here }];
    });
  }

  /** What a connection lists, where the field is one. */
  function listedBy(field: GraphQLField<unknown, unknown>): { lists?: string } {
    const type = getNamedType(field.type);
    if (!isObjectType(type)) return {};
    const edges = type.getFields()['edges'];
    const edge = edges && getNamedType(edges.type);
    const node = isObjectType(edge) ? edge.getFields()['node'] : undefined;
    return node ? { lists: getNamedType(node.type).name } : {};
  }

  function operation(root: RootKind, field: GraphQLField<unknown, unknown>, name: string, inner: string): Operation {
    const variables = field.args.map((arg) => `$${arg.name}: ${String(arg.type)}`);
    const passed = field.args.map((arg) => `${arg.name}: $${arg.name}`);
    const text = `${root} Matrix${variables.length ? `(${variables.join(', ')})` : ''} { ${field.name}${passed.length ? `(${passed.join(', ')})` : ''} ${inner} }`;
    const slots = slotsOf(`${roots[root]}.${field.name}`, field.args, [], true).map((slot) => ({ ...slot, ...listedBy(field) }));
    return { root, field: field.name, name, text, slots };
  }

  function fits({ text, root, field, slots }: Operation): boolean {
    const document = parse(text);
    const errors = validate(schema, document, [...specifiedRules, ...operationRules({ production: true })]);
    if (errors.some(({ extensions }) => extensions['code'] !== 'OPERATION_TOO_LARGE')) throw new Error(`${text}: ${errors.map(String).join('; ')}`);
    if (errors.length || text.split(/[^\w]+|(?=[{}():$!,])/).length > maxTokens) return false;
    const nested = slots.filter(({ path, required }) => required && path[0] === 'nested').map(({ type }) => ['nested', sampleOf(type)]);
    const variables = Object.fromEntries([...rootField(root, field).args.map((arg) => [arg.name, sampleOf(arg.type)]), ...nested]);
    return complexityFromQuery(document, { schema, ctx: {} as never, variables }).complexity <= complexityLimit;
  }

  /** The same with the longest pages that fit. */
  function widened(candidate: Operation): Operation {
    const longer = longerPages.map((size) => ({ ...candidate, text: candidate.text.replaceAll(`first: ${shortestPage})`, `first: ${size})`) }));
    return longer.find(fits) ?? candidate;
  }

  return {
    rootFields(root: RootKind): string[] {
      const type = schema.getType(roots[root]);
      return isObjectType(type) ? Object.keys(type.getFields()) : [];
    },

    rootField,

    /** One operation as deep as the limits allow: for what should be asked once only. */
    whole(root: RootKind, name: string, deepest = 3): Operation {
      const field = rootField(root, name);
      const type = getNamedType(field.type);
      for (let depth = deepest; depth >= 0; depth--) {
        const candidate = operation(root, field, `${roots[root]}.${name}`, selection(type, depth));
        if (depth === 0 || fits(candidate)) return candidate;
      }
      throw new Error('unreachable');
    },

    /**
     * Operations that, from this root field, select every field of every type that can be reached, each with all fields
     * of what it leads to; as many as the limits on one operation make necessary.
     */
    everyFieldFrom(root: RootKind, name: string): { operations: Operation[]; tooDeep: string[] } {
      const field = rootField(root, name);
      const start = getNamedType(field.type);
      const operations: Operation[] = [];
      const tooDeep: string[] = [];
      if (isLeafType(start)) return { operations: [operation(root, field, `${roots[root]}.${name}`, '')], tooDeep };
      // Whatever there is can be had by its id, and nothing that cannot be reached otherwise as well.
      if (isInterfaceType(start)) return { operations: [this.whole(root, name, 1)], tooDeep };
      for (const [typeName, way] of waysFrom(start)) {
        const type = schema.getType(typeName) as GraphQLNamedOutputType;
        const title = `${roots[root]}.${name} … ${typeName}`;
        const looking = (depth: number, only?: (field: string) => boolean): Operation =>
          operation(root, field, title, along(start, way, typeName, selection(type, depth, only)));
        const all = looking(1);
        if (fits(all)) {
          operations.push(widened(all));
          continue;
        }
        const fields = Object.values((type as { getFields(): Record<string, GraphQLField<unknown, unknown>> }).getFields()).filter(isSimple);
        const leaves = looking(0);
        const inner = fields.filter(({ type: of }) => !isLeafType(getNamedType(of))).map((each) => looking(1, (one) => one === each.name));
        const fitting = [leaves, ...inner].filter(fits);
        if (fitting.length) operations.push(...fitting.map(widened));
        else tooDeep.push(title);
      }
      return { operations, tooDeep };
    },

    /** For every argument below the root that names something: the shortest operation that passes it. */
    nestedArguments(): Operation[] {
      const found: Operation[] = [];
      const seen = new Set<string>();
      const queries = schema.getQueryType()!.getFields();
      for (const root of Object.values(queries)) {
        const start = getNamedType(root.type);
        if (isLeafType(start)) continue;
        for (const [typeName, way] of waysFrom(start)) {
          const type = schema.getType(typeName);
          if (!isObjectType(type)) continue;
          for (const field of Object.values(type.getFields())) {
            for (const slot of slotsOf(`${typeName}.${field.name}`, field.args, ['nested'], true)) {
              if (!namesSomething(slot) || slot.path.length > 2 || seen.has(slot.coordinate)) continue;
              const paged = field.args.some(({ name }) => name === 'first') ? `, first: ${shortestPage}` : '';
              const looking = (depth: number): Operation => {
                const end = `{ ${field.name}(${slot.name}: $nested${paged}) ${selection(getNamedType(field.type), depth)} }`;
                const base = operation('query', root, slot.coordinate, along(start, way, typeName, end));
                const declared = `$nested: ${slot.required ? String(slot.type) : String(slot.type).replace(/!$/, '')}`;
                const text = base.text.includes('Matrix(') ? base.text.replace('Matrix(', `Matrix(${declared}, `) : base.text.replace('Matrix', `Matrix(${declared})`);
                return { ...base, text, slots: [...base.slots, { ...slot, path: ['nested'], ...listedBy(field) }] };
              };
              const candidate = [2, 1, 0].map(looking).find(fits);
              if (!candidate) continue;
              seen.add(slot.coordinate);
              found.push(candidate);
            }
          }
        }
      }
      return found;
    },
  };
}

/** Any value that the type takes. */
function sampleOf(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return sampleOf(type.ofType);
  if (isListType(type)) return [];
  if (isInputObjectType(type)) {
    const needed = Object.values(type.getFields()).filter((field) => isNonNullType(field.type));
    return Object.fromEntries(needed.map((field) => [field.name, sampleOf(field.type)]));
  }
  if (isEnumType(type)) return type.getValues()[0]!.name;
  const samples: Record<string, unknown> = { Int: 1, Float: 1, BigInt: 1, Boolean: false, DateTime: '2026-01-01T00:00:00Z', JSON: {} };
  return samples[type.name] ?? 'x';
}

export type Operations = ReturnType<typeof createOperations>;

/**
 * Calls `visit` with `Type.field` for every field that an answer holds a value of (null counts, an error doesn't). Every
 * object in it must tell its type.
 */
export function visitFields(root: RootKind, data: Record<string, unknown> | null, failed: readonly (readonly unknown[])[], visit: (coordinate: string) => void): void {
  const rootName = { query: 'Query', mutation: 'Mutation', subscription: 'Subscription' }[root];
  const failures = new Set(failed.map((path) => path.join('.')));
  const walk = (value: unknown, typeName: string | null, path: string): void => {
    if (Array.isArray(value)) return value.forEach((item, index) => walk(item, null, `${path}.${index}`));
    if (typeof value !== 'object' || value === null) return;
    const record = value as Record<string, unknown>;
    const name = typeName ?? record['__typename'];
    if (typeof name !== 'string') return; // JSON
    for (const [key, item] of Object.entries(record)) {
      const here = path ? `${path}.${key}` : key;
      if (key === '__typename' || failures.has(here)) continue;
      visit(`${name}.${key.split('__')[0]}`);
      walk(item, null, here);
    }
  };
  walk(data, rootName, '');
}
