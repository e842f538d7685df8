import { closeSync, openSync, writeSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { type Database, Prisma, type TenantTx } from '@millrace/database';
import { DomainError, isProcessAlive, type Logger } from '@millrace/kernel';
import { addToHours } from './usage-hours.ts';

export interface PredictionUsage {
  tenantId: string;
  /** the server's id of the prediction: makes the entry idempotent */
  requestId: string;
  at: Date;
  /** from `actorName` */
  actor: string;
  endpointId: string;
  modelVersionId: string;
  rows: number;
  units: number;
}

export interface UsageJournalOptions {
  /** on a disk that outlives the process; may be shared by several processes of one machine */
  directory: string;
  database: Database;
  logger: Logger;
  /** how often entries go to the database */
  flushEveryMs?: number;
  /** how often it looks for what was set aside of tenants that are gone by now, and tries again to take over what it could not */
  sweepEveryMs?: number;
  /** entries that may wait while the database is away; then predictions are refused */
  maxPending?: number;
}

/** An entry as it stands in a segment, and in what the database is sent: its text is made once. */
interface Line {
  tenantId: string;
  text: string;
}

/** Of a segment, with the id of its process. */
const segmentName = /^usage-(\d+)-[0-9a-f-]+\.ndjson$/;
/** So many entries are one statement: a segment that has grown while the database was away would take longer than a statement may. */
const insertedAtOnce = 5_000;

interface Segment {
  file: string;
  descriptor: number;
  lines: Line[];
}

/**
 * Enters predictions into the ledger in batches, exactly once, without a database round trip per request.
 *
 * An entry is first written to a local segment file; once that write has returned it survives `kill -9` of this process
 * (the kernel holds it), and the answer may leave. Every quarter second the segment is closed, its entries are inserted
 * with the request id as key, and the file is deleted. What a killed process left behind is inserted by the next one that
 * starts: the key makes that harmless even if it had arrived already.
 */
export class UsageJournal {
  readonly #options: Required<UsageJournalOptions>;
  #current: Segment | null = null;
  #waiting: { line: Line; written: () => void; failed: (error: unknown) => void }[] = [];
  #pending = 0;
  #timers: NodeJS.Timeout[] = [];
  #flushing: Promise<void> = Promise.resolve();
  #closed: Segment[] = [];
  /** of other processes, and not taken over yet: names of files */
  readonly #leftBehind = new Set<string>();

  constructor(options: UsageJournalOptions) {
    this.#options = { flushEveryMs: 250, sweepEveryMs: 600_000, maxPending: 200_000, ...options };
  }

  /** Takes over what killed processes left behind, then begins. What a slow database does not take comes later: it must not keep everybody from being served. */
  async start(): Promise<void> {
    await fs.mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    for (const name of await fs.readdir(this.#options.directory)) if (segmentName.test(name)) this.#leftBehind.add(name);
    await this.#recover();
    await this.sweep();
    this.#timers = [
      setInterval(() => void this.flush(), this.#options.flushEveryMs),
      setInterval(() => void this.#recover().then(() => this.sweep()), this.#options.sweepEveryMs),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  /**
   * Resolves when the entry is safe; only then may the answer leave.
   * @throws DomainError UNAVAILABLE when too many entries wait for the database: nothing is served unbilled
   */
  record(entry: PredictionUsage): Promise<void> {
    if (this.#pending >= this.#options.maxPending) {
      return Promise.reject(
        new DomainError('UNAVAILABLE', 'Metering is behind: the database does not take entries.', { remedy: 'Try again in a minute.' }),
      );
    }
    this.#pending++;
    return new Promise((written, failed) => {
      this.#waiting.push({ line: lineOf(entry), written, failed });
      // One write for all requests that are answered together: it comes once all that they have to do now is done.
      if (this.#waiting.length === 1) process.nextTick(() => this.#write());
    });
  }

  /** Sends what is written to the database. A failure keeps the entries for the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(async () => {
      if (this.#current?.lines.length) this.#closeSegment();
      while (this.#closed.length) {
        const segment = this.#closed[0]!;
        try {
          await this.#insert(segment.lines);
        } catch (error) {
          this.#options.logger.warn({ error: String(error), pending: this.#pending }, 'usage did not reach the ledger; kept for the next time');
          return;
        }
        this.#closed.shift();
        this.#pending -= segment.lines.length;
        await fs.rm(segment.file, { force: true }).catch((error: unknown) => {
          // Harmless: the next process that starts sends it again, under the same keys.
          this.#options.logger.warn({ error: String(error), file: segment.file }, 'a segment of the usage journal could not be removed');
        });
      }
    });
    return this.#flushing;
  }

  /** What was set aside of a tenant goes with the tenant. */
  async sweep(): Promise<void> {
    try {
      for (const name of await fs.readdir(this.#options.directory)) {
        const tenantId = /^refused-(\w+)\.ndjson$/.exec(name)?.[1];
        if (tenantId !== undefined && (await this.#isGone(tenantId))) await fs.rm(path.join(this.#options.directory, name), { force: true });
      }
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, 'usage of tenants that are gone was not looked for; tried again later');
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#write();
    await this.flush();
    if (this.#current) this.#closeSegment(); // it came meanwhile: the next process that starts takes it over
  }

  #write(): void {
    const batch = this.#waiting;
    if (!batch.length) return;
    this.#waiting = [];
    try {
      this.#current ??= this.#openSegment();
      append(this.#current.descriptor, batch.map(({ line }) => `${line.text}\n`).join(''));
      for (const { line, written } of batch) {
        this.#current.lines.push(line);
        written();
      }
    } catch (error) {
      // A full disk may have cut a line off: nothing may be written behind it.
      if (this.#current) this.#closeSegment();
      this.#pending -= batch.length;
      for (const { failed } of batch) failed(error);
    }
  }

  #closeSegment(): void {
    const { descriptor, file } = this.#current!;
    this.#closed.push(this.#current!);
    this.#current = null;
    try {
      closeSync(descriptor);
    } catch (error) {
      // What was written is sent from memory: an entry must not wait for this, nor all later ones.
      this.#options.logger.warn({ error: String(error), file }, 'a segment of the usage journal could not be closed');
    }
  }

  #openSegment(): Segment {
    const file = path.join(this.#options.directory, `usage-${process.pid}-${randomUUID()}.ndjson`);
    return { file, descriptor: openSync(file, 'ax', 0o600), lines: [] };
  }

  async #recover(): Promise<void> {
    for (const name of this.#leftBehind) {
      try {
        await this.#takeOver(name);
        this.#leftBehind.delete(name);
      } catch (error) {
        this.#options.logger.warn({ error: String(error), file: name }, 'usage that an ended process had not sent did not reach the ledger; tried again later');
        if (error instanceof DomainError) return; // an outage, for the others as well
      }
    }
  }

  async #takeOver(name: string): Promise<void> {
    const file = path.join(this.#options.directory, name);
    // Before it is read: what a living process still adds is not in what was read, and must not go with it.
    const hasEnded = !isProcessAlive(Number(segmentName.exec(name)![1]));
    const text = await fs.readFile(file, 'utf8').catch(() => null);
    if (text === null) return;
    const lines = text.split('\n').flatMap(readLine);
    await this.#insert(lines);
    // A living process deletes its own segments. (A foreign process with a reused id keeps one a while: harmless.)
    const isOld = Date.now() - ((await fs.stat(file).catch(() => null))?.mtimeMs ?? 0) > 3_600_000;
    if (isOld || hasEnded) {
      await fs.rm(file, { force: true });
      this.#options.logger.info({ entries: lines.length }, 'took over usage that an ended process had not sent');
    }
  }

  async #insert(lines: Line[]): Promise<void> {
    const byTenant = new Map<string, string[]>();
    for (const { tenantId, text } of lines) {
      const list = byTenant.get(tenantId);
      if (list) list.push(text);
      else byTenant.set(tenantId, [text]);
    }
    for (const [tenantId, list] of byTenant) {
      for (let at = 0; at < list.length; at += insertedAtOnce) {
        const entries = list.slice(at, at + insertedAtOnce);
        const inserted = this.#options.database.forTenant(tenantId).execute(entering(tenantId, entries));
        await inserted.catch((error: unknown) => this.#setAside(tenantId, entries, error));
      }
    }
  }

  async #isGone(tenantId: string): Promise<boolean> {
    return (await this.#options.database.forTenant(tenantId).transaction((tx) => tx.tenant.findUnique({ where: { id: tenantId }, select: { id: true } }))) === null;
  }

  /** Entries that the database refuses must not hold up everybody else's. Those of a tenant that is gone are nobody's any more. */
  async #setAside(tenantId: string, entries: string[], error: unknown): Promise<void> {
    if (!/violates|invalid input/.test(String(error))) throw error; // an outage passes: tried again
    if (await this.#isGone(tenantId)) {
      this.#options.logger.warn({ tenantId, entries: entries.length }, 'dropped usage of a tenant that is gone');
      return;
    }
    const file = path.join(this.#options.directory, `refused-${tenantId}.ndjson`);
    await fs.appendFile(file, entries.map((text) => `${text}\n`).join(''), { mode: 0o600 });
    this.#options.logger.error({ tenantId, entries: entries.length, file, error: String(error) }, 'the ledger refused usage; set aside for a person to look at');
  }
}

/** All of it, or an error. The system takes a text whole, but for a disk that fills up: only then is the rest counted in bytes. */
function append(descriptor: number, text: string): void {
  const written = writeSync(descriptor, text);
  if (written === Buffer.byteLength(text)) return;
  const bytes = Buffer.from(text);
  for (let at = written; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** Enters a prediction into the ledger, without the journal: once, however often it is entered. */
export async function enterPrediction(tx: TenantTx, usage: PredictionUsage): Promise<void> {
  const { tenantId, text } = lineOf(usage);
  await tx.$executeRaw(entering(tenantId, [text]));
}

const entering = (tenantId: string, entries: readonly string[]): Prisma.Sql => Prisma.sql`
  WITH entered AS (
    INSERT INTO usage_records (tenant_id, request_id, at, kind, actor, endpoint_id, model_version_id, rows, units)
    SELECT ${tenantId}::text, e."requestId", e.at, 'PREDICTION', e.actor, e."endpointId", e."modelVersionId", e.rows, e.units
    FROM jsonb_to_recordset(${`[${entries.join(',')}]`}::jsonb) AS e("requestId" text, at timestamptz, actor text,
      "endpointId" text, "modelVersionId" text, rows int, units float8)
    ON CONFLICT DO NOTHING RETURNING *)
  ${addToHours}`;

/** A line cut off by a kill was never answered, so never billed. */
function readLine(text: string): Line[] {
  if (!text) return [];
  try {
    return [{ tenantId: (JSON.parse(text) as PredictionUsage).tenantId, text }];
  } catch {
    return [];
  }
}

/** As `JSON.stringify` would have it: what stands in it are ids of ours, which need no escaping, and that takes a third of the time. */
function lineOf({ tenantId, requestId, at, actor, endpointId, modelVersionId, rows, units }: PredictionUsage): Line {
  const text = `{"tenantId":"${tenantId}","requestId":"${requestId}","at":"${at.toISOString()}","actor":"${actor}","endpointId":"${endpointId}","modelVersionId":"${modelVersionId}","rows":${rows},"units":${units}}`;
  return { tenantId, text };
}

export function createUsageJournal(options: UsageJournalOptions): UsageJournal {
  return new UsageJournal(options);
}
