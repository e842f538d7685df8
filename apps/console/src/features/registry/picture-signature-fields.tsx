import { useState } from 'react';
import { Button } from '../../design/button.tsx';
import { Field, SelectField, TextField } from '../../design/field.tsx';
import { PictureField } from './picture-field.tsx';
import { noAnswers, type PictureAnswers, pixelChoices, signatureOfPicture, withSamplePicture } from './picture-signature.ts';

interface PictureSignatureFieldsProps {
  sampleRows: string;
  onSignature(text: string): void;
  onSampleRows(text: string): void;
}

/** Asks in words what an ONNX file of a network for pictures does not say, and writes it as a signature; likewise sample pictures. */
export function PictureSignatureFields({ sampleRows, onSignature, onSampleRows }: PictureSignatureFieldsProps) {
  const [answers, setAnswers] = useState(noAnswers);
  const [sample, setSample] = useState({ b64: '', prediction: '' });
  function change(answer: Partial<PictureAnswers>) {
    const next = { ...answers, ...answer };
    setAnswers(next);
    onSignature(JSON.stringify(signatureOfPicture(next)));
  }
  function addSample() {
    onSampleRows(JSON.stringify(withSamplePicture(sampleRows, answers, sample)));
    setSample({ b64: '', prediction: '' });
  }
  return (
    <div className="space-y-4">
      <TextField label="Name of the picture" hint="As callers will send it." value={answers.name} onValue={(name) => change({ name })} />
      <SelectField label="Pixels become" hint="As in the model’s training: nothing else tells, and wrong numbers give wrong answers without an error." value={answers.numbers} choices={pixelChoices} onValue={(numbers) => change({ numbers: numbers as PictureAnswers['numbers'] })} />
      <div className="grid gap-4 sm:grid-cols-3">
        <SelectField
          label="Channels" value={answers.layout} onValue={(layout) => change({ layout: layout as PictureAnswers['layout'] })}
          choices={[{ value: '', label: 'from the file' }, { value: 'nchw', label: 'PyTorch: first' }, { value: 'nhwc', label: 'Keras: last' }]}
        />
        <TextField label="Width" type="number" min={1} max={512} isOptional value={answers.width} onValue={(width) => change({ width })} />
        <TextField label="Height" type="number" min={1} max={512} isOptional value={answers.height} onValue={(height) => change({ height })} />
      </div>
      <TextField
        label="Shorter side before the middle is cut out" hint="Such as 256 for Resize(256) and CenterCrop(224) of torchvision. Pictures are stretched if it is left out." type="number" min={1} max={2048} isOptional
        value={answers.shortSide} onValue={(shortSide) => change({ shortSide })}
      />
      <Field label="Classes" hint="One a line, in the model’s order; none if it answers with a number." isOptional>
        {(described) => <textarea {...described} rows={3} value={answers.classes} onChange={(event) => change({ classes: event.target.value })} className="control text-[13px]" />}
      </Field>
      {answers.classes.trim() !== '' && (
        <SelectField
          label="It gives" value={answers.scores} onValue={(scores) => change({ scores: scores as PictureAnswers['scores'] })}
          choices={[{ value: 'logits', label: 'values before Softmax or Sigmoid (logits)' }, { value: 'probabilities', label: 'probabilities' }]}
        />
      )}
      <PictureField label="A picture with a known answer" hint="The import is refused if the model answers otherwise: the surest way to notice wrong numbers. Some small ones will do." value={sample.b64} problem={null} onValue={(b64) => setSample({ ...sample, b64 })} />
      <div className="flex items-end gap-2">
        <TextField label="Its answer" className="grow" isOptional value={sample.prediction} onValue={(prediction) => setSample({ ...sample, prediction })} />
        <Button onClick={addSample} disabled={sample.b64 === '' || sample.prediction.trim() === ''}>Add to the sample rows</Button>
      </div>
    </div>
  );
}
