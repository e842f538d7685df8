/**
 * Bundles a project's programs: workspace packages go in, registry packages stay outside. `node tools/bundle.mjs apps/api`, or with a
 * folder of the project and the only programs that are to lie there.
 * As a module it also watches, for `npm run dev`.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, context } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');

/** What looks at pictures beside the program: see `libs/images/src/picture-threads.ts`. */
const pictureThread = '../../libs/images/src/picture-thread.ts';
/** What models that take long run in: see `libs/packaging/src/model-threads.ts`. */
const modelThread = '../../libs/packaging/src/model-thread.ts';
/** What reads the pipeline of a large package: see `libs/packaging/src/read-pipeline-aside.ts`. */
const pipelineThread = '../../libs/packaging/src/pipeline-thread.ts';

/** What is bundled: every file here becomes a program of its own in the project's `bundle` folder. */
export const entries = {
  'apps/api': ['src/main.ts', pictureThread, pipelineThread],
  'apps/inference': ['src/main.ts', pictureThread, modelThread, pipelineThread],
  'apps/worker': ['src/main.ts', 'src/trainer.ts', 'src/importer.ts'],
  tools: ['src/supervisor.ts', 'src/doctor.ts', 'src/restart.ts'],
};

const registryPackagesStayOutside = {
  name: 'registry-packages-stay-outside',
  setup(plugin) {
    plugin.onResolve({ filter: /^[^./]/ }, (args) =>
      args.kind === 'entry-point' || args.path.startsWith('@millrace/') ? undefined : { path: args.path, external: true },
    );
  },
};

function settingsFor(project, into = 'bundle', files = entries[project]) {
  const folder = path.join(root, project);
  return {
    absWorkingDir: folder,
    entryPoints: files.map((file) => ({ in: file, out: path.basename(file, '.ts') })),
    outdir: path.join(folder, into),
    bundle: true,
    splitting: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    plugins: [registryPackagesStayOutside],
    logLevel: 'warning',
  };
}

/**
 * @param into the folder of the project that takes it
 * @param files of the project; all of its programs, unless told
 */
export function bundle(project, into, files) {
  return build(settingsFor(project, into, files));
}

/** Bundles now and after every change; `onBuilt` is told of each success. */
export async function watchBundle(project, onBuilt) {
  const settings = settingsFor(project);
  const report = {
    name: 'report',
    setup(plugin) {
      plugin.onEnd((result) => {
        if (!result.errors.length) onBuilt();
      });
    },
  };
  const watcher = await context({ ...settings, plugins: [...settings.plugins, report] });
  await watcher.watch();
  return watcher;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [project, into, ...files] = process.argv.slice(2);
  await bundle(project, into, files.length ? files : undefined);
}
