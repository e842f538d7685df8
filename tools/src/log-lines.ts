import readline from 'node:readline';
import type { Readable } from 'node:stream';
import type { Logger } from '@millrace/kernel';

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints each line of a program's output behind its name; lines of JSON, as the programs log them, in words. */
export function prefixLines(stream: Readable, name: string): void {
  readline.createInterface({ input: stream }).on('line', (line) => print(`${name.padEnd(9)} | ${readable(line)}`));
}

export function consoleLogger(name: string): Logger {
  const write = (level: string) => (fields: Record<string, unknown>, message: string) =>
    print(`${name.padEnd(9)} | ${level}${message}${details(fields)}`);
  return { debug: () => undefined, info: write(''), warn: write('WARN '), error: write('ERROR ') };
}

const levels: Record<number, string> = { 10: 'TRACE ', 20: 'DEBUG ', 30: '', 40: 'WARN ', 50: 'ERROR ', 60: 'FATAL ' };

function readable(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { level, time, msg, pid: _pid, hostname: _hostname, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const clock = typeof time === 'number' ? `${new Date(time).toTimeString().slice(0, 8)} ` : '';
    return `${clock}${levels[Number(level)] ?? ''}${String(msg ?? '')}${details(fields)}`;
  } catch {
    return line;
  }
}

function details(fields: Record<string, unknown>): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return parts.length ? `  ${parts.join(' ')}` : '';
}
