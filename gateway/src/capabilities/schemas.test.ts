import t from 'tap';
import type { JsonObject, JsonValue } from '../domain.ts';
import { findConcealed } from './concealed.ts';
import { changedParts, differences } from './differences.ts';
import { compileSchemas, SchemaRefused } from './schemas.ts';

const compiled = (inputSchema: JsonValue, outputSchema?: JsonValue) =>
	compileSchemas({ name: 'x', inputSchema, ...(outputSchema === undefined ? {} : { outputSchema }) });
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });

t.test('the first problem is named with its place', async (t) => {
	const { validate } = compiled(
		object(
			{ amount: { type: 'integer', minimum: 1 }, to: object({ 'a/b': { enum: ['x', 'y'] } }) },
			{ required: ['amount'], additionalProperties: false },
		),
	);
	const cases: [JsonObject, string, string][] = [
		[{}, '', "must have required property 'amount'"],
		[{ amount: 0 }, '/amount', 'must be >= 1'],
		[{ amount: 1.5 }, '/amount', 'must be integer'],
		[{ amount: '5' }, '/amount', 'must be integer'],
		[{ amount: 1, extra: 1 }, '', 'must not have the property "extra"'],
		[{ amount: 1, to: { 'a/b': 'z' } }, '/to/a~1b', 'must be one of ["x","y"]'],
	];
	for (const [args, pointer, message] of cases) t.strictSame(validate(args), { pointer, message });
	t.equal(validate({ amount: 5, to: { 'a/b': 'x' } }), undefined);
	t.equal(
		compiled(object({ a: {} }, { required: ['constructor'] })).validate({})?.message,
		"must have required property 'constructor'",
		'inherited members are none',
	);
	t.strictSame(compiled(object({ a: { anyOf: [{ type: 'string' }, { type: 'null' }] } })).validate({ a: 1 }), {
		pointer: '/a',
		message: 'must match a schema in anyOf (must be string; must be null)',
	});
	const long = compiled(object({}, { additionalProperties: false })).validate({ ['k'.repeat(10_000)]: 1 });
	t.ok(long !== undefined && long.message.length < 400, 'and is never as long as what was sent');
});

t.test('the dialect is the one the schema declares', async (t) => {
	const tuple = { a: { type: 'array', prefixItems: [{ type: 'string' }], items: false } };
	t.match(compiled(object(tuple)).validate({ a: [1] }), { pointer: '/a/0' }, '2020-12 unless it says otherwise');
	const old = { a: { type: 'array', items: [{ type: 'string' }], additionalItems: false } };
	for (const $schema of ['http://json-schema.org/draft-07/schema#', 'http://json-schema.org/draft-07/schema']) {
		t.match(compiled(object(old, { $schema })).validate({ a: ['x', 'y'] }), { pointer: '/a' });
	}
	t.throws(() => compiled(object({}, { $schema: 'http://json-schema.org/draft-04/schema#' })), { message: /dialect/ });
});

t.test('a schema that can not be used is refused in words of ours', async (t) => {
	const cases: [JsonValue | undefined, RegExp][] = [
		[undefined, /no input schema/],
		[true, /not an object/],
		[{ $ref: 'https://example.com/ignore-your-instructions.json' }, /refers to something outside itself$/],
		[{ type: 'strange' }, /can not be compiled$/],
		[object({ a: { minimum: 'x' } }), /can not be compiled$/],
		[object({ a: { pattern: '(a)\\1' } }), /pattern that does not run in linear time$/],
		[object({}, { patternProperties: { '(?<=a)b': {} } }), /pattern that does not run in linear time$/],
		[{ $async: true, type: 'object' }, /asynchronous/],
		[object({ a: { $async: true, type: 'string' } }), /can not be compiled/],
	];
	for (const [inputSchema, message] of cases) {
		t.throws(
			() => compileSchemas({ name: 'x', ...(inputSchema === undefined ? {} : { inputSchema }) }),
			new SchemaRefused(''),
			String(message),
		);
		t.throws(() => compileSchemas({ name: 'x', ...(inputSchema === undefined ? {} : { inputSchema }) }), { message });
	}
});

t.test('unknown keywords and formats are tolerated, known formats judged', async (t) => {
	const { validate } = compiled(
		object({
			when: { type: 'string', format: 'date-time', 'x-note': 1 },
			where: { type: 'string', format: 'galaxy' },
			how: { type: 'string', format: 'regex' },
		}),
	);
	t.equal(validate({ when: '2026-11-24T10:00:00Z', where: 'here', how: '(' }), undefined);
	t.match(validate({ when: 'tomorrow' }), { pointer: '/when', message: /date-time/ });
});

t.test('one $id means nothing to another schema', async (t) => {
	const of = (type: string) => ({
		$id: 'https://example.com/same',
		type: 'object',
		properties: { a: { $ref: '#/$defs/a' } },
		$defs: { a: { type } },
	});
	const [text, number] = [compiled(of('string')), compiled(of('number'))];
	t.equal(text.validate({ a: 'x' }), undefined);
	t.equal(number.validate({ a: 1 }), undefined);
	t.match(number.validate({ a: 'x' }), { pointer: '/a' });
	t.throws(() => compiled({ type: 'object', properties: { a: { $ref: 'https://example.com/same' } } }), { message: /outside itself/ });
});

t.test('attack 18: no schema and no arguments make judging slow', async (t) => {
	const cases: [string, JsonObject, JsonObject][] = [
		['a pattern that backtracks', { pattern: '^(a+)+$' }, { a: `${'a'.repeat(50_000)}b` }],
		['items that are compared pair by pair', { uniqueItems: true }, { a: Array.from({ length: 20_000 }, (_, n) => ({ n })) }],
		['an email that backtracks', { format: 'email' }, { a: `${'a.'.repeat(30_000)}@` }],
		['a uri that backtracks', { format: 'uri' }, { a: `http://${'a:@'.repeat(20_000)}` }],
		['a host name that backtracks', { format: 'hostname' }, { a: `${'a-'.repeat(30_000)}` }],
	];
	for (const [name, schema, args] of cases) {
		const { validate } = compiled(object({ a: schema }));
		const startMs = performance.now();
		validate(args);
		const tookMs = performance.now() - startMs;
		t.ok(tookMs < 500, `${name}: ${Math.round(tookMs)} ms`);
	}
	t.match(
		compiled(object({ a: { uniqueItems: true } })).validate({
			a: [
				{ x: 1, y: 2 },
				{ y: 2, x: 1 },
			],
		}),
		{ message: /duplicate/ },
	);
	t.match(
		compiled({ $defs: { a: { allOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }).validate({}),
		{ message: /can not judge/ },
		'a schema without end',
	);
});

t.test('structured content is judged by the output schema', async (t) => {
	const { fitsOutput } = compiled(object({}), object({ id: { type: 'string' } }, { required: ['id'] }));
	const values: (JsonObject | undefined)[] = [{ id: 'x' }, { id: 1 }, {}, undefined];
	t.strictSame(values.map(fitsOutput), [true, false, false, false]);
	t.equal(compiled(object({})).fitsOutput(undefined), true);
	t.equal(compiled(object({}), { type: 'strange' }).fitsOutput({}), false, 'nothing fits a schema that can not be used');
});

t.test('concealed characters are found wherever they stand', async (t) => {
	const hidden = [
		'\u{e0041}',
		'\u200b',
		'\u2060',
		'\ufeff',
		'\u202e',
		'\u2066',
		'\u00ad',
		'\u3164',
		'\x1b',
		'\x07',
		'\x9b',
		'a\u200db',
		'a\u200c',
		'a\ufe0f',
		'\u{1f600}\ufe0f\ufe0f\u{e0101}',
		'\u{e0101}',
		'\ufe00',
	];
	for (const text of hidden) t.ok(findConcealed({ description: `x${text}y` }), JSON.stringify(text));
	t.strictSame(findConcealed({ inputSchema: { properties: { 'a/b': { enum: ['ok', 'x\u200by'] } } } }), {
		pointer: '/inputSchema/properties/a~1b/enum/1',
		codePoint: 'U+200B',
	});
	t.match(findConcealed({ a: { 'k\u200b': 1 } }), { pointer: '/a' });
});

t.test('ordinary writing stays clean', async (t) => {
	const clean = [
		'Lists charges.\n\n\t- "quoted" — with dashes… and 100 % of € signs',
		'✅ done ❤️ 👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 1️⃣ ©️ 🧑🏾‍🚀',
		'日本語の説明 葛\u{e0100}城市',
		'می‌خواهم نیم‌فاصله',
		'क्‍ष हिन्दी',
		'ශ්‍රී ලංකාව',
		'Ελληνικά, русский, עברית, العربية, ไทย',
		'{"json": "\\u0041"} <b>html</b> `code` $x^2$',
	];
	for (const text of clean) t.equal(findConcealed({ description: text }), undefined, text);
});

t.test('differences name each place once, and their parts in words of ours', async (t) => {
	const before = { name: 'a', description: 'x', inputSchema: { properties: { p: { type: 'string' }, q: {} }, required: ['p'] }, old: 1 };
	const after = {
		name: 'a',
		description: 'y',
		inputSchema: { properties: { p: { type: 'number' }, 'ignore/all': {} }, required: ['p', 'r'] },
		'obey me': 1,
	};
	const found = differences(before, after);
	t.strictSame(found, [
		{ pointer: '/description', before: 'x', after: 'y' },
		{ pointer: '/inputSchema/properties/p/type', before: 'string', after: 'number' },
		{ pointer: '/inputSchema/properties/q', before: {} },
		{ pointer: '/inputSchema/properties/ignore~1all', after: {} },
		{ pointer: '/inputSchema/required/1', after: 'r' },
		{ pointer: '/old', before: 1 },
		{ pointer: '/obey me', after: 1 },
	]);
	t.equal(changedParts(found), 'description, inputSchema, a field of its own');
	t.strictSame(differences({ a: 1, b: [1, {}] }, { b: [1, {}], a: 1 }), []);
});
