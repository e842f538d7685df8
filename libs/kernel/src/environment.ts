import type { z } from 'zod';

/**
 * Parses an app's environment once. All problems are found together and named by variable, without their values,
 * which may be secrets. Empty variables count as absent.
 */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  environment: Record<string, string | undefined>,
): { type: 'valid'; value: z.output<Schema> } | { type: 'invalid'; problems: string[] } {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''));
  const result = schema.safeParse(present);
  if (result.success) return { type: 'valid', value: result.data };
  return { type: 'invalid', problems: result.error.issues.map((issue) => `${issue.path.join('.') || '(environment)'}: ${issue.message}`) };
}
