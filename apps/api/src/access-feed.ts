import type { Actor, Auth } from '@millrace/auth';

/** Access that ends by its own time, or whose notice got lost, is noticed this much late. */
const safetyNetMs = 2_000;

/** Tells what is under way for long, such as an upload, that whoever asked for it may not have it any more. */
export interface AccessFeed {
  /** Calls `ended` once when the actor's access ends. @returns stops watching */
  watch(actor: Actor, ended: () => void): () => void;
  close(): void;
}

interface Watch {
  actor: Actor;
  ended: () => void;
}

export function createAccessFeed(auth: Pick<Auth, 'stillActs' | 'onRightsChange'>): AccessFeed {
  const watches = new Set<Watch>();

  function check(watch: Watch): void {
    auth.stillActs(watch.actor).then(
      (acts) => {
        if (acts || !watches.delete(watch)) return;
        watch.ended();
      },
      () => undefined, // asked again soon
    );
  }
  const endRightsWatch = auth.onRightsChange((tenantId) => {
    for (const watch of watches) {
      const { actor } = watch;
      // An operator's grant ends with their office as well, which is another tenant's news.
      if (tenantId === null || actor.tenantId === tenantId || (actor.type === 'person' && actor.grantId)) check(watch);
    }
  });
  const safetyNet = setInterval(() => watches.forEach(check), safetyNetMs);
  safetyNet.unref();

  return {
    watch(actor, ended) {
      const watch = { actor, ended };
      watches.add(watch);
      return () => void watches.delete(watch);
    },
    close() {
      clearInterval(safetyNet);
      endRightsWatch();
    },
  };
}
