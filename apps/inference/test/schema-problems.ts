type Json = Record<string, unknown>;

const annotations = new Set(['description', 'format', 'example']);
const nameOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
const isOf = (value: unknown, type: unknown): boolean => (type === 'integer' ? Number.isInteger(value) : nameOf(value) === type);

/** What of a value does not fit a JSON Schema, by path: of the keywords that the OpenAPI document uses. Any other keyword throws, so that none goes unchecked. */
export function schemaProblems(document: Json, schema: Json, value: unknown, at = '$'): string[] {
  const go = (inner: unknown, part: unknown, path: string): string[] => schemaProblems(document, inner as Json, part, path);
  const check: Record<string, (rule: never) => string[]> = {
    $ref: (ref: string) => {
      const target = ref.slice(2).split('/').reduce<unknown>((inner, name) => (inner as Json)?.[name], document);
      if (target === undefined) throw new Error(`${ref} leads nowhere.`);
      return go(target, value, at);
    },
    type: (types: string | string[]) => ([types].flat().some((type) => isOf(value, type)) ? [] : [`${at} is ${nameOf(value)}, not ${[types].flat().join(' or ')}`]),
    enum: (allowed: unknown[]) => (allowed.includes(value) ? [] : [`${at} is none of ${allowed.join(', ')}`]),
    required: (names: string[]) => (isOf(value, 'object') ? names.filter((name) => !Object.hasOwn(value as Json, name)).map((name) => `${at} has no ${name}`) : []),
    properties: (properties: Json) => (isOf(value, 'object') ? Object.entries(value as Json).flatMap(([name, part]) => (Object.hasOwn(properties, name) ? go(properties[name], part, `${at}.${name}`) : [])) : []),
    additionalProperties: (rule: false | Json) => {
      const others = isOf(value, 'object') ? Object.entries(value as Json).filter(([name]) => !Object.hasOwn((schema['properties'] ?? {}) as Json, name)) : [];
      return others.flatMap(([name, part]) => (rule === false ? [`${at} may have no ${name}`] : go(rule, part, `${at}.${name}`)));
    },
    items: (items: Json) => (Array.isArray(value) ? value.flatMap((part, index) => go(items, part, `${at}[${index}]`)) : []),
    oneOf: (choices: Json[]) => {
      const fitting = choices.filter((choice) => go(choice, value, at).length === 0).length;
      return fitting === 1 ? [] : [`${at} fits ${fitting} of ${choices.length} choices`];
    },
    minimum: (least: number) => (typeof value === 'number' && value < least ? [`${at} is below ${least}`] : []),
    maximum: (most: number) => (typeof value === 'number' && value > most ? [`${at} is above ${most}`] : []),
    minItems: (least: number) => (Array.isArray(value) && value.length < least ? [`${at} has fewer than ${least}`] : []),
    maxItems: (most: number) => (Array.isArray(value) && value.length > most ? [`${at} has more than ${most}`] : []),
    maxLength: (most: number) => (typeof value === 'string' && value.length > most ? [`${at} is longer than ${most}`] : []),
    maxProperties: (most: number) => (isOf(value, 'object') && Object.keys(value as Json).length > most ? [`${at} has more than ${most} fields`] : []),
  };
  return Object.entries(schema).flatMap(([keyword, rule]) => {
    if (annotations.has(keyword)) return [];
    if (!check[keyword]) throw new Error(`"${keyword}" at ${at} is checked by nobody.`);
    return check[keyword](rule as never);
  });
}
