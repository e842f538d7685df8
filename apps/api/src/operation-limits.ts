import {
  type ASTVisitor,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';

export const maxTokens = 2000;
/** What one operation may cost: every field 1, what lies in a list as often as the list may be long. */
export const complexityLimit = 20_000;
const deepest = 14;
const mostAliases = 30;
const mostRootFields = 20;
const mostDirectives = 50;

/**
 * What an operation may look like, counted after fragments are expanded. What it may cost, which depends on its
 * variables, is checked as it runs.
 */
export function operationRules({ production }: { production: boolean }): ValidationRule[] {
  return production ? [limitShape, NoSchemaIntrospectionCustomRule] : [limitShape];
}

function limitShape(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      const fragments = new Map<string, FragmentDefinitionNode>();
      for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
      const measure = measureWith(fragments);
      for (const node of document.definitions) {
        if (node.kind !== Kind.OPERATION_DEFINITION) continue;
        const { depth, aliases, fields, directives } = measure(node.selectionSet);
        const refuse = (what: string, found: number, limit: number): void =>
          context.reportError(
            new GraphQLError(`The operation has ${what} ${found}; the limit is ${limit}.`, { nodes: node, extensions: { code: 'OPERATION_TOO_LARGE' } }),
          );
        if (depth > deepest) refuse('the depth', depth, deepest);
        if (aliases > mostAliases) refuse('a number of aliases of', aliases, mostAliases);
        if (fields > mostRootFields) refuse('a number of root fields of', fields, mostRootFields);
        if (directives > mostDirectives) refuse('a number of directives of', directives, mostDirectives);
      }
    },
    StringValue(node) {
      if (node.value.includes('\0')) context.reportError(nulError(node.value));
    },
  };
}

interface Size {
  depth: number;
  aliases: number;
  /** of the topmost selection set */
  fields: number;
  directives: number;
}

/** Fragments are measured once each, so that nesting them does not multiply the work; a cycle counts as endless. */
function measureWith(fragments: ReadonlyMap<string, FragmentDefinitionNode>): (selections: SelectionSetNode) => Size {
  const known = new Map<string, Size>();
  const endless: Size = { depth: Infinity, aliases: 0, fields: 0, directives: 0 };

  function ofFragment(name: string): Size {
    const found = known.get(name);
    if (found) return found;
    const fragment = fragments.get(name);
    if (!fragment) return { depth: 0, aliases: 0, fields: 0, directives: 0 };
    known.set(name, endless);
    const size = measure(fragment.selectionSet);
    known.set(name, size);
    return size;
  }

  function measure(selections: SelectionSetNode): Size {
    const total: Size = { depth: 0, aliases: 0, fields: 0, directives: 0 };
    for (const node of selections.selections) {
      total.directives += node.directives?.length ?? 0;
      if (node.kind === Kind.FIELD) {
        // Introspection has a depth of its own, and may be off altogether.
        if (node.name.value.startsWith('__')) continue;
        total.fields += 1;
        if (node.alias) total.aliases += 1;
        const inner = node.selectionSet ? measure(node.selectionSet) : null;
        total.depth = Math.max(total.depth, 1 + (inner?.depth ?? 0));
        total.aliases += inner?.aliases ?? 0;
        total.directives += inner?.directives ?? 0;
      } else {
        const inner = node.kind === Kind.FRAGMENT_SPREAD ? ofFragment(node.name.value) : measure(node.selectionSet);
        total.depth = Math.max(total.depth, inner.depth);
        total.aliases += inner.aliases;
        total.fields += inner.fields;
        total.directives += inner.directives;
      }
    }
    return total;
  }

  return measure;
}

/** Postgres stores no NUL character, and no name or text of a user needs one. Deep values are refused by the scalars. */
export function assertNoNul(variables: unknown): void {
  const pending: unknown[] = [variables];
  for (let value = pending.pop(); pending.length || value !== undefined; value = pending.pop()) {
    if (typeof value === 'string' && value.includes('\0')) throw nulError(value);
    if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        if (key.includes('\0')) throw nulError(key);
        if (item !== undefined && item !== null) pending.push(item);
      }
    }
  }
}

function nulError(text: string): GraphQLError {
  const shown = JSON.stringify(text.replaceAll('\0', '').slice(0, 40));
  return new GraphQLError(`The text ${shown} has a NUL character in it.`, { extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } } });
}
