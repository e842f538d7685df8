import type { RequestContext } from './request-context.ts';

/**
 * A field of many items that is loaded for all of them at once: whatever a request asks for before the next turn of the
 * event loop goes into one call.
 */
export function createBatch<Key, Value>(load: (keys: Key[], context: RequestContext) => Promise<ReadonlyMap<Key, Value>>) {
  const gathering = new WeakMap<RequestContext, { keys: Set<Key>; loaded: Promise<ReadonlyMap<Key, Value>> }>();

  return async (key: Key, context: RequestContext): Promise<Value | undefined> => {
    let batch = gathering.get(context);
    if (!batch) {
      const keys = new Set<Key>();
      const loaded = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        gathering.delete(context);
        return load([...keys], context);
      });
      gathering.set(context, (batch = { keys, loaded }));
    }
    batch.keys.add(key);
    return (await batch.loaded).get(key);
  };
}
