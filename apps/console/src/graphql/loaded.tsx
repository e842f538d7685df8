import type { ReactNode } from 'react';
import { Button } from '../design/button.tsx';
import { Loading } from '../design/notice.tsx';
import { RefusalNotice } from '../design/refusal-notice.tsx';
import { refusalOfThrown } from './refusal.ts';

interface LoadedProps<Data> {
  /** What is loaded, as the reader would call it: "the data sets". */
  what: string;
  query: { data: Data | undefined; error?: unknown; refetch(): Promise<unknown> };
  children(data: Data): ReactNode;
}

/** What a query says, or that it is under way, or why it failed with a way to try again. */
export function Loaded<Data>({ what, query, children }: LoadedProps<Data>) {
  if (query.data !== undefined) return children(query.data);
  if (!query.error) return <Loading what={what} />;
  return (
    <div className="space-y-3 p-5">
      <RefusalNotice refusal={refusalOfThrown(query.error)} />
      <Button onClick={() => void query.refetch().catch(() => undefined)}>Try again</Button>
    </div>
  );
}

interface ShowMoreProps {
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
  onMore(after: string): Promise<unknown>;
}

export function ShowMore({ pageInfo, onMore }: ShowMoreProps) {
  const { hasNextPage, endCursor } = pageInfo;
  if (!hasNextPage || endCursor === null) return null;
  return (
    <div className="border-t border-steel-100 px-5 py-3 text-center">
      <Button kind="quiet" onClick={() => void onMore(endCursor)}>
        Show more
      </Button>
    </div>
  );
}
