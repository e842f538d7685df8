import type { ProgressReport } from '@millrace/training';

export interface RunReportsOptions {
  send(report: ProgressReport): Promise<'noted' | 'lost'>;
  /** the run is another worker's by now */
  lost(): void;
  /** a report was not sent: it goes along with the next one */
  failed(error: unknown): void;
}

const sendEveryMs = 250;

/** Two reports as one: the later figure counts, epochs and trials are all kept. */
function joined(earlier: ProgressReport, later: ProgressReport): ProgressReport {
  return {
    ...earlier,
    ...later,
    epochs: [...(earlier.epochs ?? []), ...(later.epochs ?? [])],
    trials: [...(earlier.trials ?? []), ...(later.trials ?? [])],
  };
}

/** The progress of a run: gathered and sent one report after another, so that epochs of a few milliseconds don't flood the database. */
export function createRunReports({ send, lost, failed }: RunReportsOptions) {
  let pending: ProgressReport = {};
  let sending: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  function sendPending(): void {
    timer = undefined;
    const report = pending;
    pending = {};
    sending = sending.then(async () => {
      try {
        if ((await send(report)) === 'lost') lost();
      } catch (error) {
        failed(error);
        pending = joined(report, pending);
      }
    });
  }

  return {
    add(news: ProgressReport): void {
      pending = joined(pending, news);
      timer ??= setTimeout(sendPending, sendEveryMs);
    },

    /** Sends what there is, and resolves when it has arrived or failed to. */
    async flush(): Promise<void> {
      clearTimeout(timer);
      sendPending();
      await sending;
    },

    /** Sends nothing more. */
    close(): void {
      clearTimeout(timer);
    },
  };
}
