import { Card } from '../../design/card.tsx';
import { SelectField, type FieldProblem } from '../../design/field.tsx';
import { childOf, draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';

const schemaOf = (schema: FieldSchema) => schema.properties?.['compress'] ?? {};

/** Kinds of run whose models take less than those of rows do. */
const offered: Record<'anomaly' | 'recommendation' | 'survival', { isPruned: boolean; quantize: readonly string[] }> = {
  anomaly: { isPruned: true, quantize: ['float16', 'int8_static', 'int8_dynamic'] },
  recommendation: { isPruned: false, quantize: ['float16', 'int8_static'] },
  survival: { isPruned: true, quantize: ['float16'] },
};

/** The training configuration, with what may be asked for a run of this kind. */
export function compressionSchemaFor(kind: keyof typeof offered, schema: FieldSchema): FieldSchema {
  const { isPruned, quantize } = offered[kind];
  const { targetSparsity = {}, quantize: precision = {}, ...others } = schemaOf(schema).properties ?? {};
  const properties = { ...(isPruned ? { targetSparsity } : {}), quantize: { ...precision, enum: quantize.filter((value) => precision.enum?.includes(value)) }, ...others };
  return { properties: { compress: { ...schemaOf(schema), properties } } };
}

/** With nothing filled in, the model stays as it was trained. */
export const compressionDraft = (schema: FieldSchema): DraftObject => draftOf(schemaOf(schema)) as DraftObject;

export const compressionPaths = (schema: FieldSchema, draft: DraftObject): string[] => pathsOf(schemaOf(schema), draft, 'compress');

/** The block of the configuration; nothing where nothing is to be compressed. */
export function compressionInput(schema: FieldSchema, draft: DraftObject): object {
  const compress = valueOf(schemaOf(schema), draft) as object;
  return Object.keys(compress).length === 0 ? {} : { compress };
}

interface CompressionFieldsProps {
  /** of the whole training configuration */
  schema: FieldSchema;
  draft: DraftObject;
  problemAt(path: string): FieldProblem | null;
  onDraft(draft: DraftObject): void;
}

/** Whether the chosen model is made smaller once it is trained. */
export function CompressionFields({ schema, draft, problemAt, onDraft }: CompressionFieldsProps) {
  const { quantize, ...others } = schemaOf(schema).properties ?? {};
  const kept = String(childOf(draft, 'quantize') ?? '');
  return (
    <Card title="Compression" description="Makes the chosen model smaller. It becomes the version only if it is shown to lose no more than is allowed; leave all empty to keep the model as it is.">
      <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
        <SelectField
          label={quantize?.title ?? 'Quantise to'}
          hint={quantize?.description}
          value={kept}
          problem={problemAt('compress.quantize')}
          choices={[{ value: '', label: 'As trained' }, ...(quantize?.enum ?? []).map((value) => ({ value, label: value }))]}
          onValue={(value) => onDraft({ ...draft, quantize: value })}
        />
        <SchemaFields schema={{ properties: others }} draft={draft} path="compress" problemAt={problemAt} onDraft={(next) => onDraft({ ...next, quantize: kept })} />
      </div>
    </Card>
  );
}
