// Writes src/gql from the committed schema and the operations in src: typed documents, checked against the contract, and
// the list of them, by which the API knows the console's own operations.
// Usage: node codegen.mjs [schema file]
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { codegen } from '@graphql-codegen/core';
import { preset } from '@graphql-codegen/client-preset';
import { buildSchema, isAbstractType, parse, Source, validate } from 'graphql';
import { listOperations } from './operation-list.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(here, 'src');
const target = path.join(source, 'gql') + path.sep;
const schemaPath = path.resolve(process.argv[2] ?? path.join(here, '../api/schema.graphql'));

const schema = buildSchema(await readFile(schemaPath, 'utf8'));
const schemaDocument = parse(await readFile(schemaPath, 'utf8'));

/** Operations stand in files of their own, `<domain>.graphql`, beside the pages that use them. */
async function findDocuments(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = await Promise.all(
    entries.map((entry) => {
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) return full + path.sep === target ? [] : findDocuments(full);
      return entry.name.endsWith('.graphql') ? [full] : [];
    }),
  );
  return found.flat().sort();
}

const documents = await Promise.all(
  (await findDocuments(source)).map(async (location) => {
    const rawSDL = await readFile(location, 'utf8');
    return { location, rawSDL, document: parse(new Source(rawSDL, location)) };
  }),
);

const all = { kind: 'Document', definitions: documents.flatMap(({ document }) => document.definitions) };
const complaints = validate(schema, all);
if (complaints.length > 0) {
  for (const complaint of complaints) process.stderr.write(`${complaint.toString()}\n\n`);
  process.stderr.write(`${complaints.length} problems: the operations of the console do not fit ${schemaPath}\n`);
  process.exit(1);
}

const outputs = await preset.buildGeneratesSection({
  baseOutputDir: target,
  schema: schemaDocument,
  schemaAst: schema,
  documents,
  config: {
    documentMode: 'documentNode',
    enumsAsTypes: true,
    useTypeImports: true,
    nonOptionalTypename: true,
    strictScalars: true,
    scalars: { DateTime: 'string', JSON: 'unknown', BigInt: 'string | number' },
  },
  presetConfig: { fragmentMasking: false },
  plugins: [],
  pluginMap: {},
});

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const output of outputs) {
  // the lookup by source text (gql.ts) would pull every document into every bundle: documents are imported by name
  if (path.basename(output.filename) === 'graphql.ts') await writeFile(output.filename, await codegen(output));
}
await writeFile(path.join(target, 'operations.json'), `${JSON.stringify(listOperations(all.definitions), null, 2)}\n`);
const abstractTypes = Object.values(schema.getTypeMap()).filter((type) => isAbstractType(type));
const possibleTypes = Object.fromEntries(
  abstractTypes.map((type) => [type.name, schema.getPossibleTypes(type).map((possible) => possible.name)]),
);
await writeFile(
  path.join(target, 'possible-types.ts'),
  `/** Which types a fragment on an interface or union may match; the cache cannot know this by itself. */
export const possibleTypes: Record<string, string[]> = ${JSON.stringify(possibleTypes, null, 2)};
`,
);
process.stdout.write(`${documents.length} documents -> ${path.relative(process.cwd(), target)}\n`);
