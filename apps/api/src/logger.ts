import { createLogScrubber, type Secret } from '@millrace/kernel';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

export interface ApiLoggerOptions {
  level: string;
  /** of this process: hidden wherever a line has one */
  secrets: readonly Secret[];
  /** standard output, if left out */
  destination?: DestinationStream;
}

/** One line of JSON an event. Named fields are censored as they are written; the finished line is scrubbed once more. */
export function createApiLogger({ level, secrets, destination }: ApiLoggerOptions): Logger {
  const options: LoggerOptions = {
    base: { app: 'api' },
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['authorization', 'headers', '*.headers', '*.authorization', 'password', '*.password', 'token', '*.token', 'credential', '*.credential'],
      censor: '(hidden)',
    },
    hooks: { streamWrite: createLogScrubber(secrets) },
  };
  return destination ? pino(options, destination) : pino(options);
}
