// The operations of the console as a list that the API can hold requests against: see docs/settings.md on trusted documents.
import { createHash } from 'node:crypto';
import { Kind, print, visit } from 'graphql';

/**
 * The same as `hashOfDocument` in `apps/api/src/trusted-documents.ts`: without the `__typename` that the client's cache
 * adds, fragments in the order of their names.
 */
function hashOfDocument(document) {
  const bare = visit(document, {
    Field: (node) => (node.name.value === '__typename' && !node.alias && !node.directives?.length ? null : undefined),
  });
  const key = (node) => (node.kind === Kind.FRAGMENT_DEFINITION ? `1${node.name.value}` : '0');
  const definitions = [...bare.definitions].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
  return createHash('sha256').update(print({ kind: Kind.DOCUMENT, definitions })).digest('hex');
}

/** Name of each operation by the SHA-256 of its document, which holds the fragments that it needs and no more. */
export function listOperations(definitions) {
  const fragments = new Map(definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION).map((node) => [node.name.value, node]));
  const operations = definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  return {
    version: 1,
    operations: Object.fromEntries(
      operations.map((operation) => {
        const needed = new Set();
        const collect = (node) =>
          visit(node, {
            FragmentSpread({ name }) {
              const fragment = fragments.get(name.value);
              if (needed.has(fragment)) return;
              needed.add(fragment);
              collect(fragment);
            },
          });
        collect(operation);
        return [hashOfDocument({ kind: Kind.DOCUMENT, definitions: [operation, ...needed] }), operation.name.value];
      }),
    ),
  };
}
