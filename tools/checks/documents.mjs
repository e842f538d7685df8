/** Every path that a document names must exist: a guide that points nowhere teaches people not to trust guides. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../bootstrap.mjs';

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...listMarkdown('docs')];
const faults = [];
for (const document of documents) {
  const text = readFileSync(path.join(root, document), 'utf8');
  for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    if (!existsSync(path.resolve(root, path.dirname(document), target))) faults.push(`${document} links to ${target}, which is not there`);
  }
  for (const [, target] of text.matchAll(/`((?:apps|libs|tools|docs|prisma)\/[A-Za-z0-9_./-]+)`/g)) {
    if (!existsSync(path.join(root, target))) faults.push(`${document} names ${target}, which is not there`);
  }
}

function listMarkdown(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return listMarkdown(file);
    return entry.name.endsWith('.md') ? [file] : [];
  });
}

if (faults.length) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(`documents: ${documents.length}, all paths exist`);
