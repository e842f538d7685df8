import type { SystemTx } from '@millrace/database';

/** A worker process and what it has. */
export interface WorkerAnnouncement {
  /** uuid of the process */
  id: string;
  name: string;
  /** runs that it trains at once */
  places: number;
  gpu: boolean;
  /** the most that it gives to a training process */
  memoryMb: number;
}

/** Who has been silent for so long is not counted on. Longer than two announcements are apart. */
export const silentAfterSeconds = 15;

/** Says that this worker is there, and with what: to be repeated every few seconds. Clears away who has long been silent. */
export async function announceWorker(tx: SystemTx, { id, name, places, gpu, memoryMb }: WorkerAnnouncement): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO workers (id, name, places, gpu, memory_mb, seen_at) VALUES (${id}::uuid, ${name}, ${places}, ${gpu}, ${memoryMb}, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET gpu = excluded.gpu, seen_at = excluded.seen_at`;
  await tx.$executeRaw`DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '1 minute'`;
}

/** Says that this worker goes. */
export async function withdrawWorker(tx: SystemTx, workerId: string): Promise<void> {
  await tx.$executeRaw`DELETE FROM workers WHERE id = ${workerId}::uuid`;
}
