import { DomainError } from '@millrace/kernel';
import {
  type ASTNode,
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  Lexer,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';

export const maxTokens = 2000;
/** What one operation may cost: every field 1, what lies in a list as often as the list may be long. */
export const complexityLimit = 20_000;
const deepest = 14;
/** a selection of that depth, with a value of the depth of the JSON scalar in it */
const deepestBrackets = 100;
const mostAliases = 30;
const mostRootFields = 20;
const mostDirectives = 50;

export function operationRules({ production }: { production: boolean }): ValidationRule[] {
  return production ? [noNul, NoSchemaIntrospectionCustomRule] : [noNul];
}

function noNul(context: ValidationContext): ASTVisitor {
  return {
    StringValue(node) {
      if (node.value.includes('\0')) context.reportError(nulError(node.value));
    },
  };
}

/**
 * Parses a document unless its shape is one that parser or validation cannot take: both go into the depth of what they
 * read, and fragments that spread each other in circles lead nowhere. So this stands before either. What an operation
 * asks for is counted after fragments are expanded.
 * @throws GraphQLError OPERATION_TOO_LARGE, or what is wrong with its syntax
 */
export function readDocument(text: string): DocumentNode {
  refuseDeepBrackets(text);
  const document = parse(text, { maxTokens });
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  const { measure, isEndless } = measureWith(fragments);
  for (const fragment of fragments.values()) {
    if (isEndless(fragment)) throw tooLarge(`The fragment ${fragment.name.value} spreads itself and has no end.`, fragment);
  }
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    const { depth, aliases, fields, directives } = measure(node.selectionSet);
    const found: [string, number, number][] = [
      ['the depth', depth, deepest],
      ['a number of aliases of', aliases, mostAliases],
      ['a number of root fields of', fields, mostRootFields],
      ['a number of directives of', directives + ownDirectives(node), mostDirectives],
    ];
    for (const [what, size, limit] of found) if (size > limit) throw tooLarge(`The operation has ${what} ${size}; the limit is ${limit}.`, node);
  }
  return document;
}

/** Whether an error is one of shape. */
export function isTooLarge(error: unknown): error is GraphQLError {
  return error instanceof GraphQLError && error.extensions['code'] === 'OPERATION_TOO_LARGE';
}

function tooLarge(message: string, node?: ASTNode): GraphQLError {
  return new GraphQLError(message, { nodes: node ?? null, extensions: { code: 'OPERATION_TOO_LARGE', http: { status: 400 } } });
}

function refuseDeepBrackets(text: string): void {
  const lexer = new Lexer(new Source(text));
  let depth = 0;
  for (let count = 0; count <= maxTokens; count++) {
    const { kind } = nextToken(lexer);
    if (kind === TokenKind.EOF) return;
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) depth++;
    if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) depth--;
    if (depth > deepestBrackets) throw tooLarge(`The operation has more than ${deepestBrackets} brackets open at once.`);
  }
}

function nextToken(lexer: Lexer): { kind: TokenKind } {
  try {
    return lexer.advance();
  } catch {
    return { kind: TokenKind.EOF }; // no further than here comes the parser, which says what is wrong
  }
}

function ownDirectives({ directives, variableDefinitions }: OperationDefinitionNode): number {
  return (directives?.length ?? 0) + (variableDefinitions ?? []).reduce((sum, variable) => sum + (variable.directives?.length ?? 0), 0);
}

interface Size {
  depth: number;
  aliases: number;
  /** of the topmost selection set */
  fields: number;
  directives: number;
}

/** Fragments are measured once each, so that nesting them does not multiply the work; a circle counts as endless. */
function measureWith(fragments: ReadonlyMap<string, FragmentDefinitionNode>): {
  measure(selections: SelectionSetNode): Size;
  isEndless(fragment: FragmentDefinitionNode): boolean;
} {
  const known = new Map<string, Size>();
  const endless: Size = { depth: Infinity, aliases: 0, fields: 0, directives: 0 };

  function ofFragment(name: string): Size {
    const found = known.get(name);
    if (found) return found;
    const fragment = fragments.get(name);
    if (!fragment) return { depth: 0, aliases: 0, fields: 0, directives: 0 };
    known.set(name, endless);
    const size = measure(fragment.selectionSet);
    size.directives += fragment.directives?.length ?? 0;
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

  return { measure, isEndless: ({ name }) => ofFragment(name.value).depth === Infinity };
}

export function tooCostly(cost: number): DomainError {
  return new DomainError('INVALID', `This operation costs ${cost}; the limit is ${complexityLimit}.`, {
    remedy: 'Ask for fewer fields, or for smaller pages with first.',
  });
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
