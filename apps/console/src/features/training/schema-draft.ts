/** The part of JSON Schema that the training configuration uses. */
export interface FieldSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  properties?: Record<string, FieldSchema>;
  items?: FieldSchema;
  anyOf?: FieldSchema[];
  oneOf?: FieldSchema[];
}

/**
 * What a form holds while it is being filled in: numbers and lists as the text typed so far, an absent choice as '',
 * a part that is switched off as null.
 */
export type Draft = string | boolean | null | DraftObject;
export interface DraftObject {
  [name: string]: Draft;
}

/** A part that may be switched off: "an object or null". Gives the object's schema. */
export function optionalPart(schema: FieldSchema): FieldSchema | null {
  const options = schema.anyOf ?? schema.oneOf ?? [];
  const part = options.find((option) => option.properties);
  return part && options.some((option) => option.type === 'null') ? { ...part, ...titlesOf(schema) } : null;
}

function titlesOf({ title, description }: FieldSchema): FieldSchema {
  return { ...(title ? { title } : {}), ...(description ? { description } : {}) };
}

/** A form filled in with the schema's defaults. */
export function draftOf(schema: FieldSchema): Draft {
  const part = optionalPart(schema);
  if (part) return schema.default === null ? null : draftOf(part);
  if (schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties).map(([name, property]) => [name, draftOf(property)]));
  }
  const value = schema.const ?? schema.default;
  if (schema.type === 'boolean') return value === true;
  if (Array.isArray(value)) return value.join(', ');
  return value === undefined || value === null ? '' : String(value);
}

/**
 * The values that a form stands for. What is left empty is left out, so that the server's default holds; what is no
 * number is passed on as it is, so that the server says what is wrong with it, beside the field.
 */
export function valueOf(schema: FieldSchema, draft: Draft | undefined): unknown {
  const part = optionalPart(schema);
  if (part) return draft === null ? null : valueOf(part, draft);
  if (schema.properties) {
    const values = Object.entries(schema.properties).map(([name, property]) => [name, valueOf(property, childOf(draft, name))] as const);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined && !isEmpty(value)));
  }
  if (schema.type === 'boolean') return draft === true;
  if (typeof draft !== 'string') return undefined;
  const text = draft.trim();
  if (schema.type === 'array' && schema.items?.type === 'string') return text.split(',').map((entry) => entry.trim()).filter(Boolean);
  if (schema.type === 'array') return text.split(/[\s,;]+/).filter(Boolean).map((entry) => numberOrText(entry));
  if (text === '') return undefined;
  return schema.type === 'number' || schema.type === 'integer' ? numberOrText(text) : text;
}

/** A part of which nothing was filled in is left out as a whole: it may be one that is not wanted at all. */
function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

/** The paths of all fields that a form for this schema shows, as problems name them: `trainer.regularization.l1`. */
export function pathsOf(schema: FieldSchema, draft: Draft | undefined, path: string): string[] {
  const part = optionalPart(schema);
  if (part) return draft === null ? [] : pathsOf(part, draft, path);
  if (!schema.properties) return [path];
  return Object.entries(schema.properties).flatMap(([name, property]) => pathsOf(property, childOf(draft, name), `${path}.${name}`));
}

export function childOf(draft: Draft | undefined, name: string): Draft | undefined {
  return typeof draft === 'object' && draft !== null ? draft[name] : undefined;
}

function numberOrText(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}
