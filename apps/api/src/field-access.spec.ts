import SchemaBuilder from '@pothos/core';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import { fieldAccessPlugin, rootFieldsOf } from './field-access.ts';

function newBuilder() {
  const options = {
    plugins: [fieldAccessPlugin, ScopeAuthPlugin],
    scopeAuth: { authScopes: () => ({ public: true, signedIn: false, permission: () => false }) },
  };
  // The types ask for the options of plugins that are not used here.
  const builder = new SchemaBuilder<{ AuthScopes: { public: boolean; signedIn: boolean; permission: string } }>(options as never);
  builder.queryType();
  builder.mutationType();
  return builder;
}

it('a schema with a root field that does not say who may ask for it is not built', () => {
  const builder = newBuilder();
  builder.queryFields((t) => ({
    silent: t.string({ resolve: () => '' }),
    dynamic: t.string({ authScopes: () => ({ public: true }), resolve: () => '' }),
    twofold: t.string({ authScopes: { signedIn: true, permission: 'run:read' }, resolve: () => '' }),
    never: t.string({ authScopes: { public: false }, resolve: () => '' }),
    fine: t.string({ authScopes: { signedIn: true }, resolve: () => '' }),
  }));
  builder.mutationFields((t) => ({
    wordless: t.string({ authScopes: { public: true }, action: 'Do it', resolve: () => '' }),
    fine: t.string({ authScopes: { permission: 'run:submit' }, action: 'run.submit', resolve: () => '' }),
  }));
  const message = ((): string => {
    try {
      builder.toSchema();
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  })();
  expect(message.match(/\w+\.\w+(?= (does not say|has no word))/g)).toEqual(['Query.silent', 'Query.dynamic', 'Query.twofold', 'Query.never', 'Mutation.wordless']);
});

it('keeps what each root field declares, and gives reads a word of their own', () => {
  const builder = newBuilder();
  builder.queryField('fine', (t) => t.string({ authScopes: { signedIn: true }, resolve: () => '' }));
  builder.mutationField('submitRun', (t) => t.string({ authScopes: { permission: 'run:submit' }, action: 'run.submit', resolve: () => '' }));
  expect(rootFieldsOf(builder.toSchema()).map(({ name, access, action }) => [name, access, action])).toEqual([
    ['Query.fine', { signedIn: true }, 'query.fine'],
    ['Mutation.submitRun', { permission: 'run:submit' }, 'run.submit'],
  ]);
});
