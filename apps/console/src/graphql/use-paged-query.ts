import type { OperationVariables, TypedDocumentNode } from '@apollo/client';
import { useQuery } from '@apollo/client/react';
import { useState } from 'react';

const lookEveryMs = 3_000;

/**
 * A live list of which more can be shown: it looks for news until then, since a page asked for by "Show more" must not be thrown
 * away by the next look. Once another list is asked for, it is live again. `showMore` is for `ShowMore`.
 */
export function usePagedQuery<Data, Variables extends OperationVariables>(document: TypedDocumentNode<Data, Variables>, variables: NoInfer<Omit<Variables, 'after'>>) {
  const asked = JSON.stringify(variables);
  const [paged, setPaged] = useState<string | null>(null);
  if (paged !== null && paged !== asked) setPaged(null);
  const query = useQuery<Data, OperationVariables>(document as TypedDocumentNode<Data, OperationVariables>, { variables, pollInterval: paged === asked ? 0 : lookEveryMs });

  function showMore(after: string): Promise<unknown> {
    setPaged(asked);
    return query.fetchMore({ variables: { after } });
  }

  return { query, showMore };
}
