import t from 'tap';
import { piecesOf } from './escapes.ts';

const shown = (text: string): string =>
	piecesOf(text)
		.map(({ text, isEscape }) => (isEscape ? `<${text}>` : text))
		.join('');

t.test('what a reader would not see is written out', async (t) => {
	t.equal(shown('pay\u202Ecod.exe'), 'pay<\\u{202e}>cod.exe', 'a bidirectional override');
	t.equal(shown('a\u200Bb\uFEFFc\u00ADd'), 'a<\\u{200b}>b<\\u{feff}>c<\\u{ad}>d', 'zero width');
	t.equal(shown('x\u{E0041}y'), 'x<\\u{e0041}>y', 'a tag');
	t.equal(shown('\u001b[31mred\u0007'), '<\\u{1b}>[31mred<\\u{7}>', 'a terminal sequence');
	t.equal(shown('a\nb\tc\r'), 'a<\\n>b<\\t>c<\\r>');
	t.equal(shown('a\u00A0b\u3164'), 'a<\\u{a0}>b<\\u{3164}>', 'blanks that are none');
	t.equal(shown('\uD800x'), '<\\u{d800}>x', 'half a character');
});

t.test('text in any script stays as it is', async (t) => {
	for (const text of ['refund ch_1 of alice', 'Grüße, 漢字, עברית, ไทย', '👍🏽 ok', '<b>&amp;</b>', '']) t.equal(shown(text), text);
});
