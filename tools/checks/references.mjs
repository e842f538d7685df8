/**
 * TypeScript's project references must be the dependencies that each package.json declares, so that `tsc -b` builds in the
 * right order. `--write` makes them so.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../bootstrap.mjs';

const projects = [...['apps', 'libs'].flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => `${folder}/${name}`)), 'tools'].filter(
  (project) => existsSync(path.join(root, project, 'package.json')),
);
const read = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const projectOf = Object.fromEntries(projects.map((project) => [read(`${project}/package.json`).name, project]));
const faults = [];

function compare(file, wanted) {
  const config = read(file);
  const found = (config.references ?? []).map((reference) => reference.path).sort();
  if (JSON.stringify(found) === JSON.stringify([...wanted].sort())) return;
  if (process.argv.includes('--write')) {
    config.references = [...wanted].sort().map((target) => ({ path: target }));
    writeFileSync(path.join(root, file), `${JSON.stringify(config, null, 2)}\n`);
  } else {
    faults.push(`${file}: references should be ${JSON.stringify([...wanted].sort())}`);
  }
}

for (const project of projects) {
  const { dependencies = {}, devDependencies = {} } = read(`${project}/package.json`);
  const wanted = Object.keys({ ...dependencies, ...devDependencies }).flatMap((name) =>
    projectOf[name] ? [path.relative(project, projectOf[name]).replaceAll('\\', '/')] : [],
  );
  compare(`${project}/tsconfig.json`, wanted);
}
compare('tsconfig.json', projects);

if (faults.length) {
  console.error(`${faults.join('\n')}\nMend it with: node tools/checks/references.mjs --write`);
  process.exit(1);
}
console.log(`project references: ${projects.length} projects agree with their package.json`);
