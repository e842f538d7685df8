import type { ReactNode } from 'react';

/**
 * A part of Markdown as React elements: headings, paragraphs, lists, tables, code, bold, italics, links to http and https.
 * Nothing of the text is ever taken for HTML, so whatever stands in it is shown and never run.
 */
export function Markdown({ text }: { text: string }) {
  return <div className="space-y-3 text-sm text-steel-800">{blocksOf(text).map((block, index) => <Block key={index} block={block} />)}</div>;
}

type MarkdownBlock =
  | { type: 'heading'; level: number; text: string }
  | { type: 'paragraph'; text: string }
  | { type: 'list'; isOrdered: boolean; items: string[] }
  | { type: 'table'; header: string[]; rows: string[][] }
  | { type: 'code'; text: string };

/** Divides the text at empty lines, headings, fences, lists and tables. */
export function blocksOf(text: string): MarkdownBlock[] {
  const lines = text.split(/\r?\n/);
  const blocks: MarkdownBlock[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const takeWhile = (isPart: (line: string) => boolean): string[] => {
      const taken: string[] = [];
      while (at < lines.length && isPart(lines[at]!)) taken.push(lines[at++]!);
      return taken;
    };
    if (line.trim() === '') at++;
    else if (line.startsWith('```')) {
      at++;
      blocks.push({ type: 'code', text: takeWhile((one) => !one.startsWith('```')).join('\n') });
      at++;
    } else if (heading) {
      at++;
      blocks.push({ type: 'heading', level: heading[1]!.length, text: heading[2]! });
    } else if (listItem.test(line)) {
      const isOrdered = /^\s*\d/.test(line);
      blocks.push({ type: 'list', isOrdered, items: takeWhile((one) => listItem.test(one)).map((one) => one.replace(listItem, '')) });
    } else if (line.startsWith('|') && /^\|[\s:|-]+\|\s*$/.test(lines[at + 1] ?? '')) {
      const [header, , ...rows] = takeWhile((one) => one.startsWith('|')).map(cellsOf);
      blocks.push({ type: 'table', header: header!, rows });
    } else {
      const [first, ...more] = [lines[at++]!, ...takeWhile((one) => one.trim() !== '' && !/^(#{1,6}\s|```|\|)/.test(one) && !listItem.test(one))];
      blocks.push({ type: 'paragraph', text: [first, ...more].join(' ') });
    }
  }
  return blocks;
}

const listItem = /^\s*(?:[-*+]|\d{1,3}[.)])\s+/;

const cellsOf = (line: string): string[] => line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim());

function Block({ block }: { block: MarkdownBlock }) {
  switch (block.type) {
    case 'heading': {
      const Tag = `h${Math.min(6, block.level + 2)}` as 'h3' | 'h4' | 'h5' | 'h6';
      return <Tag className={block.level === 1 ? 'text-[15px] font-semibold text-steel-900' : 'text-[13px] font-semibold text-steel-700'}>{inline(block.text)}</Tag>;
    }
    case 'paragraph':
      return <p>{inline(block.text)}</p>;
    case 'code':
      return <pre className="overflow-x-auto rounded-md bg-steel-25 p-3 font-mono text-xs">{block.text}</pre>;
    case 'list': {
      const items = block.items.map((item, index) => <li key={index}>{inline(item)}</li>);
      return block.isOrdered ? <ol className="list-decimal space-y-1 pl-6">{items}</ol> : <ul className="list-disc space-y-1 pl-6">{items}</ul>;
    }
    case 'table':
      return (
        <div className="overflow-x-auto">
          <table className="text-[13px]">
            <thead>
              <tr>{block.header.map((cell, index) => <th key={index} className="border-b border-steel-200 py-1 pr-6 text-left font-medium text-steel-600">{inline(cell)}</th>)}</tr>
            </thead>
            <tbody>
              {block.rows.map((row, index) => <tr key={index}>{row.map((cell, column) => <td key={column} className="py-1 pr-6 align-top">{inline(cell)}</td>)}</tr>)}
            </tbody>
          </table>
        </div>
      );
  }
}

const spans = /`([^`]{1,1000})`|\*\*([^*]{1,1000})\*\*|(?<![\w\\])_([^_]{1,1000})_(?!\w)|\[([^\][]{1,300})\]\((https?:\/\/[^\s)]{1,2000})\)|\\([\\`*_{}[\]<>#|])/g;

function inline(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(spans)) {
    const [whole, code, bold, italic, label, href, escaped] = match;
    if (match.index > end) parts.push(text.slice(end, match.index));
    end = match.index + whole.length;
    const key = match.index;
    if (code !== undefined) parts.push(<code key={key} className="font-mono text-xs">{code}</code>);
    else if (bold !== undefined) parts.push(<strong key={key}>{bold}</strong>);
    else if (italic !== undefined) parts.push(<em key={key}>{italic}</em>);
    else if (href !== undefined) parts.push(<a key={key} href={href} rel="noreferrer noopener" target="_blank" className="link">{label}</a>);
    else parts.push(escaped);
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}
