import { useQuery } from '@apollo/client/react';
import { useDeferredValue, useState } from 'react';
import { Button } from '../../design/button.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { ReadConfigurationDocument } from '../../gql/graphql.ts';

interface ConfigurationYamlProps {
  /** What a form stands for. */
  spec: object;
  /** Goes on with the text instead of the form. */
  onEdit(text: string): void;
}

/** What a form stands for, as a file: to keep, or to go on with by hand. Not asked for before it is unfolded. */
export function ConfigurationYaml({ spec, onEdit }: ConfigurationYamlProps) {
  const [isOpen, setIsOpen] = useState(false);
  // As text, since an object that is made anew at every turn would be asked for at every turn.
  const text = useDeferredValue(JSON.stringify(spec));
  const { data, previousData } = useQuery(ReadConfigurationDocument, { variables: { spec: text }, skip: !isOpen });
  const read = (data ?? previousData)?.trainingConfiguration;
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary className="text-[13px] font-medium text-steel-700">This form as YAML</summary>
      <div className="mt-3 space-y-3">
        {read?.yaml && (
          <>
            <div className="max-h-96 overflow-auto">
              <CodeBlock label="The configuration, with all defaults" text={read.yaml} />
            </div>
            <Button onClick={() => onEdit(read.yaml ?? '')}>Go on as text</Button>
          </>
        )}
        {read && !read.yaml && <p className="text-[13.5px] text-steel-600">Something in the form is not right yet: press Start run to see what.</p>}
      </div>
    </details>
  );
}
