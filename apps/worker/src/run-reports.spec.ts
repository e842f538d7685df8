import type { ProgressReport } from '@millrace/training';
import { createRunReports } from './run-reports.ts';

const epoch = (number: number): ProgressReport => ({ epochs: [{ trial: 1, epoch: number, values: { loss: 1 / number } }] });

/** A queue that answers as it is told to, one report at a time. */
function createWorld() {
  const sent: ProgressReport[] = [];
  const answers: ('noted' | 'lost' | Error)[] = [];
  const told: string[] = [];
  const reports = createRunReports({
    send: async (report) => {
      sent.push(report);
      const answer = answers.shift() ?? 'noted';
      if (answer instanceof Error) throw answer;
      return answer;
    },
    lost: () => told.push('lost'),
    failed: (error) => told.push(String(error)),
  });
  return { reports, sent, answers, told, epochs: () => sent.map(({ epochs = [] }) => epochs.map((entry) => entry.epoch)) };
}

describe('the reports of a run', () => {
  it('are gathered, with every epoch and the latest of the rest', async () => {
    const { reports, sent, epochs } = createWorld();
    reports.add({ ...epoch(1), progress: { trial: 1, trials: 2, family: 'dense', epoch: 1, epochs: 9 } });
    reports.add({ ...epoch(2), progress: { trial: 1, trials: 2, family: 'dense', epoch: 2, epochs: 9 } });
    await reports.flush();
    expect(epochs()).toEqual([[1, 2]]);
    expect(sent[0]!.progress).toMatchObject({ epoch: 2 });
    reports.add(epoch(3));
    await reports.flush();
    expect(epochs()).toEqual([[1, 2], [3]]);
  });

  it('go along with the next one where they could not be sent', async () => {
    const { reports, answers, told, epochs } = createWorld();
    answers.push(new Error('the database is away'));
    reports.add(epoch(1));
    await reports.flush();
    reports.add(epoch(2));
    await reports.flush();
    expect(epochs()).toEqual([[1], [1, 2]]);
    expect(told).toEqual(['Error: the database is away']);
  });

  it('say when the run is another worker’s', async () => {
    const { reports, answers, told } = createWorld();
    answers.push('lost');
    reports.add(epoch(1));
    await reports.flush();
    expect(told).toEqual(['lost']);
  });
});
