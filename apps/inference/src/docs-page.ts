import type { ApiDocument } from './openapi.ts';

interface Shown {
  tags: string[];
  summary: string;
  description?: string;
  security?: unknown[];
  requestBody?: { content: { 'application/json': { example: unknown } } };
  responses: { 200: { content: Record<string, { example?: unknown }> } };
}

/** The document as one plain page, without a script. */
export function renderDocs(api: ApiDocument): string {
  const shown = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...(operation as Shown) })),
  );
  const tags = [...new Set(shown.map(({ tags: [tag] }) => tag!))];
  const sections = tags.map((tag) => `<h2>${escape(tag)}</h2>\n${shown.filter((operation) => operation.tags[0] === tag).map(renderOperation).join('\n')}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escape(api.info.title)}</title>
<meta name="viewport" content="width=device-width">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a2330; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccd3dc; } code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { background: #f3f5f8; padding: .75rem; overflow-x: auto; } article { margin: 1.5rem 0; }
.method { font-weight: 700; margin-right: .5rem; } .open { color: #5a6675; font-size: .85rem; }
</style></head><body>
<h1>${escape(api.info.title)} <small>${escape(api.info.version)}</small></h1>
<p>${escape(api.info.description)}</p>
<p>The same as a document for programs: <a href="/openapi.json">openapi.json</a>.</p>
${sections.join('\n')}
</body></html>
`;
}

function renderOperation({ path, method, summary, description, security, requestBody, responses }: Shown & { path: string; method: string }): string {
  const request = requestBody?.content['application/json'].example;
  const answer = Object.values(responses[200].content)[0]?.example;
  const call =
    request === undefined
      ? ''
      : `<pre>curl -H "X-API-Key: $MILLRACE_KEY" -H 'Content-Type: application/json' \\
  -d '${escape(JSON.stringify(request))}' \\
  "$MILLRACE_URL${escape(path.replace('{model}', 'iris').replace('{version}', '3'))}"</pre>`;
  return `<article><h3><span class="method">${method}</span><code>${escape(path)}</code></h3>
<p>${escape(summary)}.${security?.length === 0 ? ' <span class="open">No credential needed.</span>' : ''}</p>
${description ? `<p>${escape(description)}</p>` : ''}${call}
${answer === undefined ? '' : `<pre>${escape(JSON.stringify(answer, null, 2))}</pre>`}</article>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
