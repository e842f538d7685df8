import type { Page } from '@millrace/auth';
import { pageLimit } from './schema-builder.ts';

interface PageArgs {
  first?: number | null | undefined;
  last?: number | null | undefined;
  after?: string | null | undefined;
  before?: string | null | undefined;
}

interface Connection<Item> {
  edges: { cursor: string; node: Item }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

const cursorOf = (id: string): string => Buffer.from(`GPC:S:${id}`).toString('base64');
const idOf = (cursor: string): string => Buffer.from(cursor, 'base64').toString().slice('GPC:S:'.length);

/** A page of what a verb reads newest first, with the same cursors as the connections that are read straight from a table. */
export async function idConnection<Item>(args: PageArgs, idOfItem: (item: Item) => string, read: (page: Page) => Promise<Item[]>): Promise<Connection<Item>> {
  pageLimit(args);
  const fromEnd = args.first == null && args.last != null;
  const size = args.first ?? args.last ?? 20;
  const found = await read({
    ...(args.after == null ? {} : { after: idOf(args.after) }),
    ...(args.before == null ? {} : { before: idOf(args.before) }),
    limit: size + 1,
    oldestFirst: fromEnd,
  });
  const items = found.slice(0, size);
  if (fromEnd) items.reverse();
  const edges = items.map((node) => ({ cursor: cursorOf(idOfItem(node)), node }));
  const hasMore = found.length > size;
  return {
    edges,
    pageInfo: {
      hasNextPage: fromEnd ? args.before != null : hasMore,
      hasPreviousPage: fromEnd ? hasMore : args.after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
