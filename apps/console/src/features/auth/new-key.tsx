import { useInferenceUrl } from '../../app/session-context.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { ShownOnce } from '../../design/shown-once.tsx';

interface NewKeyProps {
  text: string;
  endpoint: string | undefined;
  onDone(): void;
}

/** The text of a key, which is shown once. */
export function NewKey({ text, endpoint, onDone }: NewKeyProps) {
  const inferenceUrl = useInferenceUrl();
  return (
    <ShownOnce advice="Keep it in a secret store, not in source code." onDone={onDone}>
      <CodeBlock label="API key" text={text} isWrapped />
      <CodeBlock
        label="Check the key"
        isWrapped
        text={`curl ${inferenceUrl}/v2${endpoint ? `/models/${encodeURIComponent(endpoint)}` : ''} \\\n  -H "X-API-Key: ${text}"`}
      />
    </ShownOnce>
  );
}
