import type { Problem } from '@millrace/kernel';

/** Names of models and endpoints stand in URLs: letters, digits, `.`, `_`, `-`, at most 63 characters. */
export function nameProblem(name: string, field: string, what: 'model' | 'endpoint'): Problem | null {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return null;
  return {
    code: 'name_unfit',
    field,
    message: `This is no name for ${what === 'model' ? 'a model' : 'an endpoint'}.`,
    remedy: 'Use 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit.',
  };
}

export function aliasProblem(alias: string, field: string): Problem | null {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(alias)) return null;
  return {
    code: 'alias_unfit',
    field,
    message: 'This is no name for an alias.',
    remedy: 'Use 1 to 32 small letters, digits or "-", beginning with a letter, such as champion.',
  };
}
