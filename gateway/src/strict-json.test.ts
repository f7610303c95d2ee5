import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { isKeptExactly, parseStrict, StrictJsonError } from './strict-json.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

/** The code and pointer that a text is refused with. */
function refusal(input: string | Uint8Array): { code: string; pointer: string } | undefined {
	try {
		parseStrict(typeof input === 'string' ? bytes(input) : input);
		return undefined;
	} catch (error) {
		if (!(error instanceof StrictJsonError)) throw error;
		return { code: error.code, pointer: error.pointer };
	}
}

/** Any JSON value whose keys are not `__proto__` and whose texts are well-formed. */
const plainJson = fc
	.jsonValue({ noUnicodeString: false, depthSize: 'medium' })
	.filter(
		(value) => !JSON.stringify(value).includes('__proto__') && JSON.stringify(value).isWellFormed() && !/\\ud/i.test(JSON.stringify(value)),
	);

t.test('valid JSON without the forbidden things reads exactly as JSON.parse reads it', async () => {
	fc.assert(
		fc.property(plainJson, fc.constantFrom(undefined, '\t', 1), (value, space) => {
			const text = JSON.stringify(value, null, space);
			return isDeepStrictEqual(parseStrict(bytes(text)), JSON.parse(text));
		}),
		{ numRuns: 500 },
	);
});

t.test('what JSON.parse rejects is never accepted, however a valid text is damaged', async (t) => {
	const damaged = fc
		.tuple(plainJson, fc.nat(), fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '0', '-', 'e', '\u0000', 't', '\\u00', '\n'))
		.map(([value, at, put]) => {
			const text = JSON.stringify(value);
			const index = at % (text.length + 1);
			return text.slice(0, index) + put + text.slice(index + 1);
		});
	let rejected = 0;
	fc.assert(
		fc.property(damaged, (text) => {
			let isValid = true;
			try {
				JSON.parse(text);
			} catch {
				isValid = false;
				rejected++;
			}
			if (!isValid) return refusal(text) !== undefined;
			const found = refusal(text);
			return found === undefined || found.code !== 'malformed';
		}),
		{ numRuns: 3000 },
	);
	t.ok(rejected > 500, 'the damage was real');
});

t.test('keys are told apart by what they mean, not how they are written', async (t) => {
	t.strictSame(refusal('{"a":1,"a":1}'), { code: 'duplicate_key', pointer: '/a' });
	t.strictSame(refusal('{"x":[0,{"b":1,"\\u0062":2}]}'), { code: 'duplicate_key', pointer: '/x/1/b' });
	t.strictSame(refusal('{"p/q":{"~":{}, "~" : 1}}'), { code: 'duplicate_key', pointer: '/p~1q/~0' });
	t.strictSame(refusal('{"a\\":{":1,"a\\":{":2}'), { code: 'duplicate_key', pointer: '/a":{' });
	t.equal(refusal('{"a":{"a":1},"A":":{","b":[{"a":"\\\\"},{"a":"\\""}]}'), undefined, 'equal keys of different objects are fine');
	t.equal(refusal('{"a":"\\":{","b":"\\\\","c":"\\\\\\":["}'), undefined, 'colons and brackets behind an escaped quote are text');
	fc.assert(
		fc.property(fc.uniqueArray(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 8 }), fc.nat(), (keys, at) => {
			const twice = keys[at % keys.length] as string;
			if (keys.includes('__proto__')) return true;
			const escaped = twice.replaceAll(/[\s\S]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
			const members = [...keys.map((key) => `${JSON.stringify(key)}:0`), `"${escaped}":0`];
			return refusal(`{${members.join(',')}}`)?.code === 'duplicate_key' && refusal(`{${members.slice(0, -1).join(',')}}`) === undefined;
		}),
	);
});

t.test('__proto__ is refused at any depth, also escaped; constructor and the like are plain data', async (t) => {
	t.strictSame(refusal('{"__proto__":{"admin":true}}'), { code: 'forbidden_key', pointer: '/__proto__' });
	t.strictSame(refusal('[{"x":{"\\u005f_proto__":1}}]'), { code: 'forbidden_key', pointer: '/0/x/__proto__' });
	const value = parseStrict(bytes('{"constructor":{"prototype":1},"hasOwnProperty":2,"toString":null}'));
	t.equal(JSON.stringify(value), '{"constructor":{"prototype":1},"hasOwnProperty":2,"toString":null}');
	t.equal(refusal('"__proto__"'), undefined, 'as a value it is a text');
});

t.test('depth and the number of members are bounded before anything is built', async (t) => {
	const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
	t.equal(refusal(nested(64)), undefined);
	t.equal(refusal(nested(65))?.code, 'too_deep');
	t.equal(refusal('{"a":'.repeat(65) + '1' + '}'.repeat(65))?.code, 'too_deep');
	t.equal(refusal('['.repeat(1_000_000))?.code, 'too_deep');
	t.equal(refusal(`"${'['.repeat(100)}"`), undefined, 'brackets inside a text are text');
	const many = (count: number) => bytes(`{${Array.from({ length: count }, (_, i) => `"${i}":0`).join()}}`);
	t.throws(() => parseStrict(many(11), { maxMembers: 10 }), { code: 'too_many_members' });
	t.doesNotThrow(() => parseStrict(many(10), { maxMembers: 10 }));
});

t.test('a number is kept exactly or refused', async (t) => {
	for (const kept of [
		'0',
		'-0',
		'0.1',
		'1.10',
		'1200',
		'9007199254740991',
		'-9007199254740992',
		'10000000000000000',
		'1e23',
		'1E+2',
		'3.14159265358979323846',
		'0.30000000000000004',
		'5e-324',
		'0e999',
		'1.7976931348623157e308',
	]) {
		t.ok(isKeptExactly(kept), kept);
		t.equal(refusal(`[${kept}]`), undefined, kept);
	}
	for (const lost of [
		'9007199254740993',
		'-9007199254740993',
		'12345678901234567890',
		'9007199254740993.0',
		'9007199254740993.5',
		'900719925474099300e-1',
		'1e400',
		'-1e400',
		'1e-400',
		'4.9e-324',
		'123456789012345678901234567890e-5',
	]) {
		t.notOk(isKeptExactly(lost), lost);
		t.strictSame(refusal(`{"a":[1,${lost}]}`), { code: 'inexact_number', pointer: '/a/1' }, lost);
	}
	fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => isKeptExactly(JSON.stringify(value))));
	// What is forwarded is written anew: a whole number is kept when the text that is written means the same number.
	const meantBy = (text: string): bigint => {
		const [mantissa = '', exponent = '0'] = text.split('e');
		const [whole = '', fraction = ''] = mantissa.split('.');
		return BigInt(whole + fraction) * 10n ** (BigInt(exponent) - BigInt(fraction.length));
	};
	fc.assert(
		fc.property(fc.bigInt(), (value) => isKeptExactly(String(value)) === (meantBy(String(Number(value))) === value)),
		{ numRuns: 1_000 },
	);
});

t.test('texts are well-formed Unicode in UTF-8', async (t) => {
	t.strictSame(refusal('{"a":"\\ud800"}'), { code: 'lone_surrogate', pointer: '/a' });
	t.strictSame(refusal('{"a":{"\\uDC00x":1}}')?.code, 'lone_surrogate');
	t.equal(parseStrict(bytes('"\\ud83d\\ude00 \\\\ud800"')), '😀 \\ud800');
	t.equal(refusal(Buffer.from([0x22, 0xff, 0x22]))?.code, 'invalid_utf8');
	t.equal(refusal(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))?.code, 'invalid_utf8', 'a surrogate in UTF-8');
	t.equal(refusal(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))?.code, 'invalid_utf8', 'overlong');
	t.equal(refusal('\uFEFF{}')?.code, 'malformed', 'a byte order mark is not JSON');
	t.equal(refusal('')?.code, 'malformed');
});

t.test('what is inexact carries its value for the answer; what can not be answered wins over it', async (t) => {
	try {
		parseStrict(bytes('{"id":7,"params":{"arguments":{"n":1e400}}}'));
		t.fail('accepted');
	} catch (error) {
		t.match(error, { code: 'inexact_number', pointer: '/params/arguments/n', inexactValue: { id: 7 } });
	}
	t.strictSame(refusal('{"n":1e400,"a":1,"a":2}'), { code: 'duplicate_key', pointer: '/a' });
});

t.test('reading is linear: digits, escapes and keys by the hundred thousand take no quadratic time', async (t) => {
	for (const text of [
		`[1.${'0'.repeat(1e6)}1e4000000000]`,
		`["${'\\\\'.repeat(5e5)}"]`,
		`["${'\\"'.repeat(5e5)}"]`,
		`[${'"",'.repeat(3e5)}1e999]`,
	]) {
		const start = performance.now();
		refusal(text);
		t.ok(performance.now() - start < 2000);
	}
});
