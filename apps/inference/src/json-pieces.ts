import { setImmediate } from 'node:timers/promises';
import { byPieces } from '@millrace/kernel';

export interface JsonPieces {
  /**
   * Reads a piece, which is a JSON text if the whole is one. What it throws ends it all.
   * @param at where the piece begins in the whole, in bytes
   */
  parse(text: string, at: number): unknown;
  /** What is thrown where the text is none. @param reason for people */
  broken(reason: string): Error;
  /** Told how deep a container lies; the outermost 1. What it throws ends it all. */
  enter(depth: number): void;
  /** bytes of a piece: it ends with the element that exceeds them */
  pieceBytes?: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];
const usualPieceBytes = 64 * 1024;

/**
 * What `parse` makes of a JSON text, piece by piece: between two of them the thread does what else waits. A large list or object is
 * cut at the commas between its elements, and each piece is read in brackets of its own; one text or number is never cut.
 * The texts that it takes, and what it makes of them, are those of `parse` given the whole: an object keeps the last of two values of one name.
 * @param bytes UTF-8
 */
export async function parseByPieces(bytes: Buffer, pieces: JsonPieces): Promise<unknown> {
  const { parse, broken, pieceBytes = usualPieceBytes } = pieces;
  const endOf = await largeContainers(bytes, pieceBytes, pieces);
  const root = skipBlanks(bytes, 0, bytes.length);
  const rootEnd = endOf.get(root);
  if (rootEnd === undefined) return parse(bytes.toString('utf8'), 0);
  if (skipBlanks(bytes, rootEnd + 1, bytes.length) < bytes.length) throw broken(`something follows it at byte ${rootEnd + 1}.`);
  return read(root, rootEnd);

  /** The container between two brackets. */
  async function read(start: number, end: number): Promise<unknown> {
    const isList = bytes[start] === openList;
    const items: unknown[] = [];
    const members: Record<string, unknown> = {};
    /** from where on nothing has been read; whether a comma came before, and whether a large element did that no comma has ended */
    let from = start + 1;
    let isOpen = false;
    let isEnded = true;
    /** the last text at this level, which is the name before an element of an object */
    let name: [from: number, to: number] = [0, 0];

    async function take(to: number, more: string): Promise<void> {
      const text = bytes.toString('utf8', from, to) + more;
      const piece = parse(isList ? `[${text}]` : `{${text}}`, from - 1) as object;
      if (Array.isArray(piece)) for (const item of piece) items.push(item);
      else Object.assign(members, piece);
      await setImmediate();
    }

    for (let at = from; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === quote) {
        const to = endOfText(bytes, at);
        name = [at, to + 1];
        at = to;
      } else if (byte === comma) {
        if (!isEnded) {
          if (skipBlanks(bytes, from, at) < at) throw broken(`it breaks off at byte ${from}.`);
        } else if (at - from < pieceBytes) continue;
        else if (skipBlanks(bytes, from, at) === at) throw broken(`it breaks off at byte ${at}.`);
        else await take(at, '');
        [from, isOpen, isEnded] = [at + 1, true, true];
      } else if (byte === openList || byte === openObject) {
        const to = endOf.get(at);
        if (to === undefined) {
          at = endOfSmall(bytes, at);
          continue;
        }
        if (!isEnded) throw broken(`it breaks off at byte ${at}.`);
        // An empty container stands for the large one: whether one may stand there is for `parse` to say.
        await take(at, isList ? '[]' : '{}');
        const value = await read(at, to);
        if (isList) items[items.length - 1] = value;
        else members[JSON.parse(bytes.toString('utf8', ...name)) as string] = value;
        [at, from, isEnded] = [to, to + 1, false];
      }
    }
    const isBlank = skipBlanks(bytes, from, end) === end;
    if (!isEnded ? !isBlank : isBlank && isOpen) throw broken(`it breaks off at byte ${end}.`);
    if (!isBlank) await take(end, '');
    return isList ? items : members;
  }
}

/** Where each container ends that has more than so many bytes, by its beginning. */
async function largeContainers(bytes: Buffer, pieceBytes: number, { broken, enter }: JsonPieces): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  const open: number[] = [];
  let at = 0; // a text may reach into the next piece
  await byPieces(bytes.length, (_, to) => {
    for (; at < to; at++) {
      const byte = bytes[at]!;
      if (byte === quote) at = endOfText(bytes, at);
      else if (byte === openList || byte === openObject) enter(open.push(at));
      else if (byte === closeList || byte === closeObject) {
        const start = open.pop();
        // One is written two after the other.
        if (start === undefined || bytes[start] !== byte - 2) throw broken(`it breaks off at byte ${at}.`);
        if (at - start > pieceBytes) found.set(start, at);
      }
    }
  });
  if (open.length) throw broken('it ends early.');
  return found;
}

/** The closing bracket of a container whose brackets are known to match. */
function endOfSmall(bytes: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; ; at++) {
    const byte = bytes[at]!;
    if (byte === quote) at = endOfText(bytes, at);
    else if (byte === openList || byte === openObject) depth++;
    else if ((byte === closeList || byte === closeObject) && --depth === 0) return at;
  }
}

/** The quote that closes a text; the end of all bytes if there is none. */
function endOfText(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === backslash) at++;
    else if (byte === quote) return at;
  }
  return bytes.length;
}

/** The first byte from there on that is no white space of JSON. */
function skipBlanks(bytes: Buffer, from: number, to: number): number {
  let at = from;
  for (; at < to; at++) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}
