import { useState } from 'react';
import { Button } from '../../design/button.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { ExplainDocument } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { type Explained, ExplanationView } from './explanation-view.tsx';
import type { Row, Signature } from './signature.ts';

/** Asks why the model has answered a row as it has. */
export function WhyView({ endpoint, signature, row }: { endpoint: string; signature: Signature; row: Row }) {
  const explain = useVerb(ExplainDocument);
  const [explained, setExplained] = useState<Explained | null>(null);
  if (signature.task === 'forecasting' || signature.task === 'recommendation') return null;
  const picture = Object.values(row).find((value): value is { b64: string } => typeof value === 'object' && value !== null && 'b64' in value);
  if (explained) {
    return (
      <section aria-label="Why" className="border-t border-steel-100 pt-4">
        <h3 className="mb-3 text-[13px] font-semibold text-steel-700">Why</h3>
        <ExplanationView explained={explained} picture={picture?.b64 ?? null} />
      </section>
    );
  }
  return (
    <div className="space-y-3">
      <RefusalNotice refusal={explain.refusal} problems={(explain.refusal?.problems ?? []).map((problem) => ({ ...problem, row: null }))} />
      <Button isPending={explain.isPending} onClick={() => void explain.run({ input: { endpoint, row } }).then(setExplained)}>
        Why?
      </Button>
    </div>
  );
}
