import { z } from 'zod';

/**
 * The setting that lists the foreign web pages which may call a server: exact origins, separated by commas. A pattern
 * would let in whoever registers a name that fits it, so there is none, and no `*`.
 */
export const originsSetting = z.string().transform((text, context): readonly string[] => {
  const origins = text.split(',').map((part) => part.trim()).filter(Boolean);
  for (const origin of origins) {
    const problem = problemOf(origin);
    if (problem) context.issues.push({ code: 'custom', input: text, message: problem });
  }
  return [...new Set(origins)];
});

function problemOf(origin: string): string | null {
  if (origin.includes('*')) return 'may not hold *: list each origin, such as https://portal.example';
  const exact = URL.canParse(origin) && /^https?:/.test(origin) ? new URL(origin).origin : null;
  if (exact === null) return `holds ${JSON.stringify(origin)}, which is no origin: write it like https://portal.example`;
  return exact === origin ? null : `holds ${JSON.stringify(origin)}: an origin is written ${exact}, without path, default port or capital letters`;
}
