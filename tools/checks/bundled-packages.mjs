/**
 * A bundle takes in the workspace's libs and leaves registry packages outside, so that it looks for them from its own folder:
 * it must find there what each of its libs would find from the lib's. Where versions differ, npm nests one of them in the lib,
 * and the bundle would run with the other.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../bootstrap.mjs';
import { entries } from '../bundle.mjs';

/** @param packages of a lock file @returns what is wrong, in sentences */
function faultsOfBundles(packages, programs) {
  const faults = new Set();
  for (const program of programs) {
    const seen = new Set();
    const visit = (project) => {
      if (seen.has(project)) return;
      seen.add(project);
      for (const name of Object.keys(packages[project]?.dependencies ?? {})) {
        const own = found(packages, project, name);
        const { link, resolved } = packages[own] ?? {};
        if (link) {
          visit(resolved);
          continue;
        }
        const bundles = found(packages, program, name);
        const [wanted, got] = [packages[own]?.version, packages[bundles]?.version];
        if (wanted !== got) {
          faults.add(`${project} has ${name} ${wanted ?? '(none)'}, but the bundle of ${program} would find ${got ?? 'none'}. Pin ${name} ${wanted ?? ''} in the root's package.json.`);
        }
      }
    };
    visit(program);
  }
  return [...faults];
}

/** Node's own way: the folder's node_modules, then each one above. */
function found(packages, from, name) {
  for (let folder = from; ; folder = folder.replace(/(^|\/)[^/]*$/, '')) {
    const place = `${folder}${folder ? '/' : ''}node_modules/${name}`;
    if (packages[place]) return place;
    if (!folder) return null;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const programs = Object.keys(entries);
  const faults = faultsOfBundles(packages, programs);
  if (faults.length) {
    console.error(faults.join('\n'));
    process.exit(1);
  }
  console.log(`bundles: ${programs.length} programs find the packages that their libs declare`);
}
