import { useNavigate } from '@tanstack/react-router';
import { SubmitRunDocument, type SubmitRunInput } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';

/** Submits a run and goes to its page; where it is refused, to the top of the form, which says why. */
export function useRunStart() {
  const navigate = useNavigate();
  const { run, isPending, refusal, reset } = useVerb(SubmitRunDocument, { refetchQueries: ['Runs'] });

  async function start(input: SubmitRunInput): Promise<void> {
    const submitted = await run({ input: { ...input, modelName: input.modelName.trim() } });
    if (submitted) await navigate({ to: '/runs/$id', params: { id: submitted.run.id } });
    else window.scrollTo({ top: 0, behavior: 'smooth' });
  }

  return { start, isPending, refusal, reset };
}
