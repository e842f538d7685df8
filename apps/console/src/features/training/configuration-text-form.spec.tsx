/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';
import { ConfigurationText } from './configuration-text-form.tsx';

afterEach(cleanup);

function Form({ onFile }: { onFile(file: File | undefined): void }) {
  const [text, setText] = useState('');
  return <ConfigurationText text={text} onText={setText} onFile={onFile} />;
}

it('takes what is pasted, and numbers its lines as problems name them', () => {
  const { container } = render(<Form onFile={() => undefined} />);
  fireEvent.change(screen.getByLabelText('Text'), { target: { value: 'models:\n  - family: knn\n    k: 3' } });
  expect((screen.getByLabelText('Text') as HTMLTextAreaElement).value).toBe('models:\n  - family: knn\n    k: 3');
  expect(container.querySelector('pre')!.textContent).toBe('1\n2\n3');
});

it('takes a file that is chosen or dropped', () => {
  const taken: (string | undefined)[] = [];
  render(<Form onFile={(file) => taken.push(file?.name)} />);
  fireEvent.change(screen.getByLabelText('Choose a file'), { target: { files: [new File(['a: 1'], 'chosen.yaml')] } });
  fireEvent.drop(screen.getByLabelText('Text'), { dataTransfer: { files: [new File(['{}'], 'dropped.json')] } });
  expect(taken).toEqual(['chosen.yaml', 'dropped.json']);
});
