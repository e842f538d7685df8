import { renderToStaticMarkup } from 'react-dom/server';
import { Markdown } from './markdown.tsx';

const html = (text: string): string => renderToStaticMarkup(<Markdown text={text} />).replace(/ class="[^"]*"/g, '');

it('shows headings, lists, tables, code and links', () => {
  expect(html('# Press\n\nsome **bold**, _it_ and `code`\nand more')).toBe('<div><h3>Press</h3><p>some <strong>bold</strong>, <em>it</em> and <code>code</code> and more</p></div>');
  expect(html('- a\n- b\n\n1. c')).toBe('<div><ul><li>a</li><li>b</li></ul><ol><li>c</li></ol></div>');
  expect(html('| a | b |\n| --- | --- |\n| 1 | x\\|y |')).toContain('<tbody><tr><td>1</td><td>x|y</td></tr></tbody>');
  expect(html('[docs](https://example.com/a)')).toContain('<a href="https://example.com/a" rel="noreferrer noopener" target="_blank">docs</a>');
  expect(html('```\n<b>\n```')).toBe('<div><pre>&lt;b&gt;</pre></div>');
});

it.each([
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '[x](javascript:alert(1))', '[x](data:text/html,x)', '`<svg onload=alert(1)>`', '| <b> |\n| --- |\n| <i> |', '\\<b\\>',
])('never makes an element of what stands in it: %s', (text) => {
  expect(html(text)).not.toMatch(/<(script|img|svg|b|i)\b|<a href="(?!https?:)/);
});
