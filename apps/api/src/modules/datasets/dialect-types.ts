import type { DecimalSign, Delimiter, FileDialect, TextEncoding } from '@millrace/datasets';
import { builder } from '../../schema-builder.ts';

const textEncodingEnum = builder.enumType('TextEncoding', {
  description: 'How the characters of a text file are written as bytes.',
  values: {
    UTF_8: { value: 'utf-8' as TextEncoding, description: 'UTF-8, with or without its mark.' },
    UTF_16LE: { value: 'utf-16le' as TextEncoding, description: 'UTF-16, the low byte first.' },
    UTF_16BE: { value: 'utf-16be' as TextEncoding, description: 'UTF-16, the high byte first.' },
    WINDOWS_1252: { value: 'windows-1252' as TextEncoding, description: 'Windows-1252, with Latin-1 in it.' },
  },
});

const delimiterEnum = builder.enumType('Delimiter', {
  description: 'What stands between the cells of a row.',
  values: {
    COMMA: { value: ',' as Delimiter, description: 'A comma.' },
    SEMICOLON: { value: ';' as Delimiter, description: 'A semicolon.' },
    TAB: { value: '\t' as Delimiter, description: 'A tab.' },
    BAR: { value: '|' as Delimiter, description: 'A vertical bar.' },
  },
});

const decimalSignEnum = builder.enumType('DecimalSign', {
  description: 'What stands before the fraction of a number.',
  values: {
    POINT: { value: '.' as DecimalSign, description: 'A point: 1.5.' },
    COMMA: { value: ',' as DecimalSign, description: 'A comma: 1,5.' },
  },
});

export const fileDialectType = builder.objectRef<FileDialect>('FileDialect').implement({
  description: 'What its sender declared of how a text file is to be read; null for what is found from the file.',
  fields: (t) => ({
    encoding: t.field({ type: textEncodingEnum, nullable: true, description: 'Its characters.', resolve: ({ encoding }) => encoding ?? null }),
    delimiter: t.field({ type: delimiterEnum, nullable: true, description: 'Between its cells.', resolve: ({ delimiter }) => delimiter ?? null }),
    decimalSign: t.field({ type: decimalSignEnum, nullable: true, description: 'In its numbers.', resolve: ({ decimalSign }) => decimalSign ?? null }),
  }),
});

export const fileDialectInput = builder.inputType('FileDialectInput', {
  description: 'How a text file is to be read. What is left out is found from the file; what is declared and wrong is refused when the file is read, naming the line.',
  fields: (t) => ({
    encoding: t.field({ type: textEncodingEnum, description: 'Its characters.' }),
    delimiter: t.field({ type: delimiterEnum, description: 'Between its cells; not of JSON Lines.' }),
    decimalSign: t.field({ type: decimalSignEnum, description: 'In its numbers; not of JSON Lines.' }),
  }),
});

export function dialectOf({ encoding, delimiter, decimalSign }: typeof fileDialectInput.$inferInput): FileDialect {
  return { ...(encoding && { encoding }), ...(delimiter && { delimiter }), ...(decimalSign && { decimalSign }) };
}
