/**
 * A lock file that `npm ci` accepts on every platform and every Node that we support: no optional package without an entry
 * (a registry may lack a platform's build of the newest version), no direct dependency that excludes Node 20, no host names.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import semver from 'semver';
import { root } from '../bootstrap.mjs';

const oldestNode = '20.19.0';
/** Packages that declare a newer Node than they need; each was run on Node 20 by the test suite. */
const knownToRun = new Set(['cookie', 'content-disposition', '@prisma/streams-local']);

const text = readFileSync(path.join(root, 'package-lock.json'), 'utf8');
const { packages } = JSON.parse(text);
const paths = Object.keys(packages);
const faults = [];

for (const [place, entry] of Object.entries(packages)) {
  for (const name of Object.keys(entry.optionalDependencies ?? {})) {
    if (!paths.some((other) => other.endsWith(`node_modules/${name}`))) {
      faults.push(`${place} names the optional package ${name}, which has no entry: npm ci fails. Pin an older, complete version.`);
    }
  }
  for (const name of Object.keys(entry.dependencies ?? {})) {
    if (!entry.link && !isFoundFrom(place, name)) {
      faults.push(`${place} depends on ${name}, which is not in the lock file. Make the lock file anew, without any node_modules about.`);
    }
  }
  const range = entry.engines?.node;
  const name = place.split('node_modules/').pop();
  if (range && !entry.optional && !knownToRun.has(name) && !semver.satisfies(oldestNode, range)) {
    faults.push(`${place}@${entry.version} wants Node ${range}; we support ${oldestNode}. Pin an older version.`);
  }
}
/** Node's own way: the folder's node_modules, then each one above. */
function isFoundFrom(place, name) {
  for (let folder = place; ; folder = folder.replace(/(^|\/)[^/]*$/, '')) {
    if (packages[`${folder}${folder ? '/' : ''}node_modules/${name}`]) return true;
    if (!folder) return false;
  }
}

if (/"resolved": "https?:/.test(text)) faults.push('the lock file names a registry host; .npmrc should prevent that.');

if (faults.length) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(`lock file: ${paths.length} entries, complete`);
