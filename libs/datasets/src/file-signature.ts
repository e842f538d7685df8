interface Signature {
  name: string;
  bytes: number[] | string;
  offset?: number;
}

/** Longest first where one begins like another. Only formats whose first bytes can't be the start of a table in text. */
const signatures: Signature[] = [
  { name: 'a PNG image', bytes: '\x89PNG\r\n\x1a\n' },
  { name: 'a JPEG image', bytes: [0xff, 0xd8, 0xff] },
  { name: 'a GIF image', bytes: 'GIF8' },
  { name: 'a TIFF image', bytes: 'II*\0' },
  { name: 'a TIFF image', bytes: 'MM\0*' },
  { name: 'a WebP image', bytes: 'WEBP', offset: 8 },
  { name: 'a PDF document', bytes: '%PDF-' },
  { name: 'a gzip archive', bytes: [0x1f, 0x8b] },
  { name: 'a bzip2 archive', bytes: 'BZh' },
  { name: 'an xz archive', bytes: '\xfd7zXZ\0' },
  { name: 'a Zstandard archive', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'a 7-Zip archive', bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c] },
  { name: 'a RAR archive', bytes: 'Rar!\x1a\x07' },
  { name: 'a tar archive', bytes: 'ustar', offset: 257 },
  { name: 'a Parquet file', bytes: 'PAR1' },
  { name: 'an Arrow file', bytes: 'ARROW1' },
  { name: 'an ORC file', bytes: 'ORC' },
  { name: 'an Avro file', bytes: 'Obj\x01' },
  { name: 'an HDF5 file', bytes: '\x89HDF\r\n\x1a\n' },
  { name: 'a MATLAB file', bytes: 'MATLAB 5.0 MAT-file' },
  { name: 'a NumPy file', bytes: '\x93NUMPY' },
  { name: 'an SQLite database', bytes: 'SQLite format 3\0' },
  { name: 'an old Excel or Office file (.xls)', bytes: [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1] },
  { name: 'an ELF program', bytes: '\x7fELF' },
  { name: 'an RTF document', bytes: '{\\rtf' },
  { name: 'a Python pickle', bytes: [0x80, 0x04, 0x95] },
];

/**
 * What a file is, judged by its first bytes, if it is something other than a table in text: `an Excel workbook`.
 * Null when it may be one. Names and media types given by the sender are not asked: they lie too often.
 */
export function recogniseOtherFormat(head: Uint8Array): string | null {
  if (startsWith(head, 'PK\x03\x04') || startsWith(head, 'PK\x05\x06')) {
    const listing = latin1(head);
    if (/xl\/|\[Content_Types\]\.xml/.test(listing)) return 'an Excel workbook or another Office file';
    return listing.includes('opendocument.spreadsheet') ? 'an OpenDocument spreadsheet' : 'a zip archive';
  }
  const known = signatures.find((signature) => startsWith(head, signature.bytes, signature.offset));
  // Text may well begin with these letters; the formats proper hold bytes that text has not.
  if (known && (typeof known.bytes !== 'string' || !/^[A-Z]\w*$/.test(known.bytes) || hasControlBytes(head))) return known.name;

  const start = latin1(head.subarray(0, 512)).replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype|html|\?xml|svg|table)\b/i.test(start)) return 'a web page or XML document';
  if (/^\[\s*[[{]/.test(start)) return 'a JSON document';
  return controlShare(head) > 0.05 ? 'a binary file' : null;
}

/** Whether a text begins with a JSON object, as JSON Lines do and a table with a header doesn't. */
export function isJsonLines(head: Uint8Array): boolean {
  return /^(\xef\xbb\xbf)?\s*\{\s*("|\})/.test(latin1(head.subarray(0, 512)));
}

function startsWith(head: Uint8Array, bytes: number[] | string, offset = 0): boolean {
  const wanted = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  return head.length >= offset + wanted.length && wanted.every((byte: number, i: number) => head[offset + i] === byte);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function hasControlBytes(head: Uint8Array): boolean {
  return controlShare(head) > 0;
}

/** Zero bytes don't count: they are a fault of their own, with a clearer message. */
function controlShare(head: Uint8Array): number {
  let count = 0;
  for (const byte of head) if ((byte > 0 && byte < 9) || (byte > 13 && byte < 32 && byte !== 27)) count++;
  return head.length === 0 ? 0 : count / head.length;
}
