import { answerHeaders, type ApiDocument, errorCodes } from './api-document.ts';

interface Shown {
  tags: string[];
  summary: string;
  description?: string;
  security?: unknown[];
  requestBody?: { content: { 'application/json': { example: unknown } } };
  responses: Record<string, { content: Record<string, { example?: unknown }> }>;
}

/** The document as one plain page, without a script. */
export function renderDocs(api: ApiDocument): string {
  const shown = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...(operation as Shown) })),
  );
  const tags = [...new Set(shown.map(({ tags: [tag] }) => tag!))];
  const headings = [...tags, 'Headers of answers', 'Refusals'];
  const sections = tags.map((tag) => `${heading(tag)}\n${shown.filter((operation) => operation.tags[0] === tag).map(renderOperation).join('\n')}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escape(api.info.title)}</title>
<meta name="viewport" content="width=device-width">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a2330; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccd3dc; } code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { background: #f3f5f8; padding: .75rem; overflow-x: auto; } article { margin: 1.5rem 0; }
nav a { margin-right: 1rem; } table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid #e4e8ee; } td:first-child { white-space: nowrap; }
.method { font-weight: 700; margin-right: .5rem; } .open { color: #5a6675; font-size: .85rem; }
</style></head><body>
<h1>${escape(api.info.title)} <small>${escape(api.info.version)}</small></h1>
<p>${prose(api.info.description)}</p>
<p>The commands below can be pasted once <code>MILLRACE_URL</code> is the address of this server and <code>MILLRACE_KEY</code> a key. They call an endpoint <code>iris</code>, which <code>npm start -- --demo</code> makes.</p>
<p>The same as a document for programs: <a href="/openapi.json">openapi.json</a>.</p>
<nav>${headings.map((name) => `<a href="#${anchor(name)}">${escape(name)}</a>`).join(' ')}</nav>
${sections.join('\n')}
${heading('Headers of answers')}
<table>${Object.entries(answerHeaders).map(([name, meaning]) => `<tr><td><code>${name}</code></td><td>${prose(meaning)}</td></tr>`).join('\n')}</table>
${heading('Refusals')}
<p>The body is <code>{"error": {"code", "message", "field", "row", "remedy_hint", "limit_source", "limit", "problems"}}</code> with what applies; under <code>/v2</code> it is <code>{"error": "one sentence"}</code>, and the code stands in <code>x-millrace-error-code</code>.</p>
<table>${Object.entries(errorCodes).map(([status, { codes, meaning }]) => `<tr><td>${status}</td><td>${codes.map((code) => `<code>${code}</code>`).join(', ')}</td><td>${prose(meaning)}</td></tr>`).join('\n')}</table>
</body></html>
`;
}

function renderOperation({ path, method, summary, description, security, requestBody, responses }: Shown & { path: string; method: string }): string {
  const isOpen = security?.length === 0;
  const request = requestBody?.content['application/json'].example;
  const answer = Object.values(Object.values(responses).find(({ content }) => Object.values(content)[0]?.example !== undefined)?.content ?? {})[0]?.example;
  const lines = [
    `curl${isOpen ? '' : ' -H "X-API-Key: $MILLRACE_KEY"'}${request === undefined ? (method === 'POST' ? ' -X POST' : '') : " -H 'Content-Type: application/json'"}`,
    ...(request === undefined ? [] : [`-d '${JSON.stringify(request)}'`]),
    `"$MILLRACE_URL${Object.entries({ ...inExamples, model: path.endsWith(':regress') ? 'wear' : 'iris' }).reduce((filled, [name, value]) => filled.replace(`{${name}}`, value), path)}"`,
  ];
  return `<article><h3><span class="method">${method}</span><code>${escape(path)}</code></h3>
<p>${prose(summary)}.${isOpen ? ' <span class="open">No credential needed.</span>' : ''}</p>
${description ? `<p>${prose(description)}</p>` : ''}<pre>${escape(lines.join(' \\\n  '))}</pre>
${answer === undefined ? '' : `<pre>${escape(JSON.stringify(answer, null, 2))}</pre>`}</article>`;
}

const inExamples = { version: '1', label: 'champion', id: 'prd_…' };
const anchor = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
const heading = (name: string): string => `<h2 id="${anchor(name)}">${escape(name)}</h2>`;

/** What stands between backticks is code. */
const prose = (text: string): string => escape(text).replace(/`([^`]+)`/g, '<code>$1</code>');

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
