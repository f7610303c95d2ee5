import t from 'tap';
import { compare, fromText, numberFromText, objectOf, RegoObject, RegoSet, toJson, toText } from './rego-value.ts';

t.test('a term and its text are the same value', async (t) => {
	for (const text of [
		'null',
		'true',
		'"a\\"b\\\\"',
		'"\\\\"',
		'"\\u0001é😀"',
		'0.1',
		'-12',
		'123456789012345678901234567890',
		'[1,[],{}]',
		'set()',
		'{1,"a",[2]}',
		'{"a":{1,2},"__proto__":1}',
		'{1:{"x":{[1]}},"a":2}',
		'{set():{set()}}',
	]) {
		t.equal(toText(fromText(text)), text);
		t.equal(toText(fromText(` ${text.replaceAll(',', ' , ')}\n`)), text, 'with spaces');
	}
});

t.test('text that is no term is refused with its place', async (t) => {
	for (const text of ['', '{', '[1,]', '{1', '"a', '"a\\"', '{"a":}', '[1 2]', 'nul', '1 2', '{"a":1,2', '-']) {
		t.throws(() => fromText(text), SyntaxError, text);
	}
});

t.test('numbers keep their value: doubles where those do, big integers beyond', async (t) => {
	t.equal(numberFromText('9007199254740991'), 9007199254740991);
	t.equal(numberFromText('9007199254740993'), 9007199254740993n);
	t.equal(numberFromText('-9007199254740993'), -9007199254740993n);
	t.equal(numberFromText('1e3'), 1000);
	t.equal(numberFromText('1e20'), 10n ** 20n);
	t.equal(numberFromText('1.5e20'), 15n * 10n ** 19n);
	t.equal(numberFromText('12345678901234567890.00'), 12345678901234567890n);
	t.equal(numberFromText('1e400'), 10n ** 400n);
	t.equal(numberFromText('1e-400'), 0);
	t.equal(numberFromText('0e999999'), 0);
	t.equal(numberFromText('1.25'), 1.25);
	t.throws(() => numberFromText('1e999999999'), /too many digits/);
});

t.test('the order is total, by type and then by value', async (t) => {
	const ordered = ['null', 'false', 'true', '-1', '0.5', '9007199254740992', '9007199254740993', '""', '"a"', '"\uffff"', '"😀"']
		.concat(['[]', '[1]', '[1,2]', '[2]', '{}', '{"a":1}', '{"a":1,"b":0}', '{"a":2}', 'set()', '{1}', '{1,2}', '{2}'])
		.map(fromText);
	const pairs = ordered.flatMap((a, i) => ordered.map((b, j) => ({ a, b, sign: Math.sign(i - j) })));
	const wrong = pairs.filter(({ a, b, sign }) => Math.sign(compare(a, b)) !== sign);
	t.strictSame(
		wrong.map(({ a, b }) => `${toText(a)} ? ${toText(b)}`),
		[],
	);
});

t.test('sets are sorted and unique, objects with other keys keep them', async (t) => {
	t.strictSame(RegoSet.of([2, 'a', 1, 2]).items, [1, 2, 'a']);
	t.match(
		objectOf([
			[2, 'x'],
			['a', 1],
			[2, 'y'],
		]),
		new RegoObject([
			[2, 'y'],
			['a', 1],
		]),
	);
	t.equal(Object.getPrototypeOf(objectOf([['a', 1]])), null);
	t.strictSame({ ...(toJson(fromText('{[1]:{3,2},{4}:1,"a":true,null:0}')) as object) }, { '[1]': [2, 3], '[4]': 1, a: true, null: 0 });
});
