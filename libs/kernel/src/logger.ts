import { format } from 'node:util';

type Fields = Record<string, unknown>;

/** The port through which libs log. Fields first, then the sentence, as pino has it. */
export interface Logger {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
}

/** Libraries that write to the console write to the log, and what is hidden there is hidden for them. */
export function sendConsoleTo(logger: Logger): void {
  Object.assign(console, {
    error: (...parts: unknown[]) => logger.error({ text: format(...parts) }, 'a library complains'),
    warn: (...parts: unknown[]) => logger.warn({ text: format(...parts) }, 'a library warns'),
  });
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
