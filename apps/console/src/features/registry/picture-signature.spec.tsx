/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { PictureSignatureFields } from './picture-signature-fields.tsx';

afterEach(cleanup);

it('what is said of a picture becomes the signature and a sample row', async () => {
  const texts = { signature: '', sampleRows: '[{"inputs":{"photo":{"b64":"AA=="}},"prediction":"nut"}]' };
  function Form() {
    const [sampleRows, setSampleRows] = useState(texts.sampleRows);
    texts.sampleRows = sampleRows;
    return <PictureSignatureFields sampleRows={sampleRows} onSignature={(text) => (texts.signature = text)} onSampleRows={setSampleRows} />;
  }
  render(<Form />);
  const type = (label: RegExp | string, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });
  type('Name of the picture', 'photo');
  expect(JSON.parse(texts.signature)).toEqual({ inputs: [{ name: 'photo', type: 'image', range: [0, 1], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }], output: { type: 'number' } });
  type('Pixels become', 'signed');
  type('Channels', 'nhwc');
  type(/^Width/, '64');
  type(/^Shorter side/, '72');
  type(/^Classes/, 'nut\n bolt \n');
  type('It gives', 'probabilities');
  expect(JSON.parse(texts.signature)).toEqual({
    inputs: [{ name: 'photo', type: 'image', layout: 'nhwc', width: 64, shortSide: 72, range: [-1, 1] }], output: { type: 'category', classes: ['nut', 'bolt'], scores: 'probabilities' },
  });
  fireEvent.change(screen.getByLabelText('A picture with a known answer'), { target: { files: [new File([Uint8Array.of(1, 2, 3)], 'part.png', { type: 'image/png' })] } });
  await waitFor(() => expect(screen.getByRole('img')).toBeTruthy(), { timeout: 30_000 });
  type(/^Its answer/, 'bolt');
  fireEvent.click(screen.getByText('Add to the sample rows'));
  await waitFor(() => expect(JSON.parse(texts.sampleRows)).toEqual([{ inputs: { photo: { b64: 'AA==' } }, prediction: 'nut' }, { inputs: { photo: { b64: 'AQID' } }, prediction: 'bolt' }]), { timeout: 30_000 });
  expect(screen.queryByRole('img')).toBeNull();
});
