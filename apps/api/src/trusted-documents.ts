import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DomainError } from '@millrace/kernel';
import { type DefinitionNode, type DocumentNode, GraphQLError, Kind, print, visit } from 'graphql';
import { z } from 'zod';

/** `console`: sessions of the console may send its own operations only. `all`: so may everybody. */
export type TrustedDocumentsMode = 'off' | 'console' | 'all';

export interface TrustedDocuments {
  readonly mode: TrustedDocumentsMode;
  /** @throws GraphQLError PERSISTED_QUERY_NOT_IN_LIST */
  assertListed(document: DocumentNode, fromConsole: boolean): void;
}

export interface TrustedDocumentsOptions {
  /** left out: `console` in production where there is a list, else `off` */
  mode?: TrustedDocumentsMode | undefined;
  production: boolean;
  /** the built console, which brings the list of its operations */
  consoleDirectory: string | undefined;
}

/** Written by the console's build, and never served: it is the list of what the console can do. */
export const operationsFile = 'operations.json';

const listSchema = z.object({ version: z.literal(1), operations: z.record(z.string().regex(/^[0-9a-f]{64}$/), z.string()) });

export async function readTrustedDocuments({ mode, production, consoleDirectory }: TrustedDocumentsOptions): Promise<TrustedDocuments> {
  const list = mode === 'off' || consoleDirectory === undefined ? null : await readList(path.join(consoleDirectory, operationsFile));
  const chosen = mode ?? (production && list ? 'console' : 'off');
  if (chosen !== 'off' && !list) {
    throw new DomainError('INVALID', `Trusted documents are set to ${chosen}, but the built console has no ${operationsFile}.`, {
      field: 'MILLRACE_TRUSTED_DOCUMENTS',
      remedy: 'Build the console and name its folder in MILLRACE_CONSOLE_DIRECTORY, or set MILLRACE_TRUSTED_DOCUMENTS=off.',
    });
  }
  return createTrustedDocuments(chosen, list ?? new Set());
}

function createTrustedDocuments(mode: TrustedDocumentsMode, listed: ReadonlySet<string>): TrustedDocuments {
  const known = new WeakMap<DocumentNode, boolean>(); // Apollo keeps parsed documents
  const isListed = (document: DocumentNode): boolean => {
    let found = known.get(document);
    if (found === undefined) known.set(document, (found = listed.has(hashOfDocument(document))));
    return found;
  };
  return {
    mode,
    assertListed(document, fromConsole) {
      if (mode === 'off' || (mode === 'console' && !fromConsole) || isListed(document)) return;
      const who = mode === 'all' ? 'This server' : 'A session of the console';
      throw new GraphQLError(`${who} takes listed operations only, and this is none of them.`, {
        extensions: { code: 'PERSISTED_QUERY_NOT_IN_LIST', http: { status: 400 } },
      });
    },
  };
}

/**
 * The SHA-256 by which the list knows an operation: as it is printed without the `__typename` that clients add, its
 * fragments in the order of their names. The same as in `apps/console/operation-list.mjs`.
 */
export function hashOfDocument(document: DocumentNode): string {
  const bare = visit(document, {
    Field: (node) => (node.name.value === '__typename' && !node.alias && !node.directives?.length ? null : undefined),
  });
  const key = (node: DefinitionNode): string => (node.kind === Kind.FRAGMENT_DEFINITION ? `1${node.name.value}` : '0');
  const definitions = [...bare.definitions].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
  return createHash('sha256').update(print({ kind: Kind.DOCUMENT, definitions })).digest('hex');
}

async function readList(file: string): Promise<Set<string> | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : new Set(Object.keys(listSchema.parse(JSON.parse(text)).operations));
}
