import { useMutation } from '@apollo/client/react';
import type { OperationVariables, TypedDocumentNode } from '@apollo/client';
import { useCallback, useState } from 'react';
import { refusalOf, refusalOfThrown, type Refusal, type TypedError } from './refusal.ts';

type PayloadOf<Data> = Data[Exclude<keyof Data, '__typename'>];
type SuccessOf<Data> = Exclude<PayloadOf<Data>, { __typename: `${string}Error` }>;

export interface Verb<Data, Variables> {
  /** The success of the payload, or null: then `refusal` says why. Never throws. */
  run(variables: Variables): Promise<SuccessOf<Data> | null>;
  isPending: boolean;
  refusal: Refusal | null;
  reset(): void;
}

/** A mutation of one field, with its payload union taken apart: the success to the caller, the rest as a refusal. */
export function useVerb<Data, Variables extends OperationVariables>(
  document: TypedDocumentNode<Data, Variables>,
  options: { refetchQueries?: string[] } = {},
): Verb<Data, Variables> {
  const [mutate, { loading }] = useMutation<Data, Variables>(document);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const { refetchQueries } = options;
  const names = refetchQueries?.join(' ');

  const run = useCallback(
    async (variables: Variables) => {
      setRefusal(null);
      try {
        const mutateNow = mutate as (given: { variables: Variables; refetchQueries?: string[] }) => Promise<{ data?: Data }>;
        const { data } = await mutateNow({ variables, ...(names ? { refetchQueries: names.split(' ') } : {}) });
        const payload = payloadOf(data);
        if (payload.__typename.endsWith('Error')) {
          setRefusal(refusalOf(payload as TypedError));
          return null;
        }
        return payload as SuccessOf<Data>;
      } catch (error) {
        setRefusal(refusalOfThrown(error));
        return null;
      }
    },
    [mutate, names],
  );
  const reset = useCallback(() => setRefusal(null), []);
  return { run, isPending: loading, refusal, reset };
}

function payloadOf(data: unknown): { __typename: string } {
  const fields = Object.entries(data ?? {}).filter(([field]) => field !== '__typename');
  const payload = fields[0]?.[1] as { __typename: string } | undefined;
  if (!payload) throw new Error('The answer holds no payload.');
  return payload;
}
