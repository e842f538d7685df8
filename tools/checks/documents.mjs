/**
 * Every path that a document names must exist, and the settings in the documents must be those that the programs read: a
 * guide that points nowhere teaches people not to trust guides.
 */
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

const read = settingsRead();
const described = settingsDescribed();
for (const name of read) if (!described.has(name)) faults.push(`${name} is read by a program, and stands in no table of README.md or docs/settings.md`);
for (const name of described) if (!read.has(name)) faults.push(`${name} stands in a table of README.md or docs/settings.md, and no program reads it`);

/** What programs and tools take from the environment; not what a tool hands to a child of its own, nor what only tests look at. */
function settingsRead() {
  const ownAffairs = ['MILLRACE_ROOT', 'MILLRACE_TEST_POSTGRES_URL', 'MILLRACE_CHROMIUM'];
  const names = new Set();
  for (const file of ['apps', 'libs', 'tools'].flatMap((folder) => listSources(folder))) {
    const text = readFileSync(path.join(root, file), 'utf8');
    for (const [, name] of text.matchAll(/process\.env(?:\.|\[')(MILLRACE_[A-Z_]+)/g)) names.add(name);
    if (!/(?:environment|supervisor)\.ts$/.test(file)) continue;
    for (const [, name] of text.matchAll(/^ +(MILLRACE_[A-Z_]+):/gm)) names.add(name);
  }
  return new Set([...names].filter((name) => !ownAffairs.includes(name)));
}

/** Those in the first cells of the tables. */
function settingsDescribed() {
  const cells = ['README.md', 'docs/settings.md'].flatMap((document) => readFileSync(path.join(root, document), 'utf8').match(/^\| `MILLRACE_[^|]*/gm));
  return new Set(cells.flatMap((cell) => cell.match(/MILLRACE_[A-Z_]+/g)));
}

function listSources(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return /^(?:node_modules|dist|bundle|out-tsc|test)$/.test(entry.name) ? [] : listSources(file);
    return /(?<!\.spec)\.(?:ts|tsx|mjs)$/.test(entry.name) ? [file] : [];
  });
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
console.log(`documents: ${documents.length}, all paths exist; ${read.size} settings are described`);
