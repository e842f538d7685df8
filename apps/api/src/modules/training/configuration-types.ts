import type { Problem } from '@millrace/kernel';
import { parseTrainingSpec, writeTrainingYaml } from '@millrace/training';
import { problemType } from '../../error-types.ts';
import { builder } from '../../schema-builder.ts';

const trainingConfigurationType = builder.objectRef<{ yaml: string | null; problems: Problem[] }>('TrainingConfiguration').implement({
  description: 'A training configuration as it was read, or what is wrong with it.',
  fields: (t) => ({
    yaml: t.exposeString('yaml', { nullable: true, description: 'The same as YAML with all defaults filled in; null if something is wrong with it.' }),
    problems: t.expose('problems', { type: [problemType], description: 'What is wrong with it by itself: whether it fits a data set is said when it is submitted. Of a text, messages name the line.' }),
  }),
});

builder.queryField('trainingConfiguration', (t) =>
  t.field({
    type: trainingConfigurationType,
    authScopes: { signedIn: true },
    description: 'Reads a training configuration without submitting it.',
    args: { spec: t.arg({ type: 'JSON', required: true, description: 'An object, or YAML or JSON text.' }) },
    resolve: (_root, { spec }) => {
      const parsed = parseTrainingSpec(spec);
      if (parsed.type === 'valid') return { yaml: writeTrainingYaml(parsed.spec), problems: [] };
      return { yaml: null, problems: parsed.problems.map((problem) => ({ ...problem, code: 'invalid_spec' })) };
    },
  }),
);
