import fc from 'fast-check';
import t from 'tap';
import type { DecisionDocument, JsonObject, JsonValue, Redaction, Tool } from '../domain.ts';
import { OutOfFuel } from './evaluation-error.ts';
import type { Evaluator } from './evaluator.ts';
import { EvaluatorJudge } from './judge.ts';
import { ObligationDesk } from './obligations.ts';
import { namedPatterns, patternsOf, shippedPatterns } from './patterns.ts';

const keyedDigest = (value: JsonValue): string => `digest(${JSON.stringify(value)})`;
const desk = new ObligationDesk({
	keyedDigest,
	fitsOutputSchema: (_, { structuredContent }) => typeof (structuredContent as JsonObject | undefined)?.['count'] === 'number',
});
const tool = {} as Tool;
const document = (redactions: readonly Partial<Redaction>[], limits: DecisionDocument['limits'] = {}): DecisionDocument => ({
	version: 1,
	verdict: 'allow',
	reasons: [],
	approvals: [],
	budgets: [],
	redactions: redactions.map((each) => ({ target: 'request', path: '/**', mode: 'mask', ...each })),
	limits,
});
const sent = (args: JsonObject, ...redactions: Partial<Redaction>[]): JsonObject => desk.accept(document(redactions), args, {}).sent;
const masked = (name: string, text: string): string => shippedPatterns[name]!.replace(text, () => '*');

t.test('named patterns find what they are called, in the ways people write it', (t) => {
	const found: Record<string, string[]> = {
		'us-ssn': ['123-45-6789', '123 45 6789', '123.45.6789', '123\u201145\u20116789', '123\u221245\u22126789'],
		'credit-card': [
			'4111111111111111',
			'4111 1111 1111 1111',
			'4111-1111-1111-1111',
			'4111\u00a01111\u00a01111\u00a01111',
			'378282246310005',
			'3782 822463 10005',
			'6011000990139424',
			'5555555555554444',
			'4222222222222',
		],
		email: ['alice@example.com', 'a.b+c@mail.example.co.uk'],
		secret: [
			`sk_${'live'}_0123456789abcdef`,
			`AKIA${'ABCDEFGHIJKLMNOP'}`,
			`ghp_${'a'.repeat(36)}`,
			`xoxb-${'1'.repeat(12)}`,
			`-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----`,
		],
	};
	for (const [name, texts] of Object.entries(found)) {
		for (const text of texts) {
			t.equal(masked(name, text), '*', `${name}: ${JSON.stringify(text)}`);
			t.equal(masked(name, `a ${text}, and "${text}"`), 'a *, and "*"');
		}
	}
	const passedOver: Record<string, string[]> = {
		'us-ssn': ['000-45-6789', '666-45-6789', '912-45-6789', '123-00-6789', '123-45-0000', '1123-45-6789', '123-45-67890', '123456789'],
		'credit-card': ['4111111111111112', '1700000000000', '1795555286516', '41111111111111119999', '411111111111'],
		email: ['alice@', '@example.com', 'alice@localhost', 'a at b.com'],
		secret: ['sk-short', 'task-1', 'a password'],
	};
	for (const [name, texts] of Object.entries(passedOver))
		for (const text of texts) t.equal(masked(name, text), text, `${name}: ${JSON.stringify(text)}`);
	t.end();
});

t.test('a card number is found beside other numbers', (t) => {
	t.equal(masked('credit-card', '4111 1111 1111 1111 12/29'), '* 12/29');
	t.equal(masked('credit-card', '12 4111 1111 1111 1111 99'), '12 * 99');
	t.equal(masked('credit-card', '2 x 4111-1111-1111-1111 5555-5555-5555-4444'), '2 x * *');
	const group = fc.stringMatching(/^[01]{1,4}$/);
	fc.assert(
		fc.property(
			fc.array(group, { maxLength: 4 }),
			fc.array(group, { maxLength: 4 }),
			fc.constantFrom(' ', '-'),
			(before, after, separator) => {
				const text = [...before, '4111', '1111', '1111', '1111', ...after].join(separator);
				return !masked('credit-card', text).includes(['4111', '1111', '1111', '1111'].join(separator));
			},
		),
	);
	const began = performance.now();
	masked('credit-card', '4 '.repeat(100_000));
	masked('credit-card', '4'.repeat(200_000));
	t.ok(performance.now() - began < 5_000, 'in linear time');
	t.end();
});

const sample = fc.oneof(
	fc.constantFrom(
		'123-45-6789',
		'4111 1111 1111 1111',
		'4111111111111111',
		'a@b.example.com',
		`sk_${'live'}_${'x'.repeat(12)}`,
		`AKIA${'A'.repeat(16)}`,
		'Bearer ',
		'eyJhbGciOiJI',
	),
	fc.constantFrom('1', '-', ' ', '@', '.', '_', 'sk_li', 've_', '123', '45', '6789', '078-05-1120', 'AKIA', '4111'),
	fc.string({ maxLength: 4 }),
);
const text = fc.array(sample, { maxLength: 10 }).map((pieces) => pieces.join(''));

t.test('nothing that a pattern finds survives it, whatever stands around', (t) => {
	for (const match of Object.keys(shippedPatterns)) {
		for (const mode of ['mask', 'remove'] as const) {
			fc.assert(
				fc.property(text, fc.dictionary(text, text, { maxKeys: 3 }), (value, inside) => {
					const redacted = sent({ text: value, inside, list: [value, [inside]] }, { match, mode });
					const again = JSON.stringify(redacted, (_, member: unknown) =>
						typeof member === 'string' ? shippedPatterns[match]!.replace(member, () => 'FOUND') : member,
					);
					return !again.includes('FOUND') && Object.keys(redacted['inside'] as JsonObject).every((key) => masked(match, key) === key);
				}),
				{ numRuns: 300 },
			);
			t.pass(`${match}, ${mode}`);
		}
	}
	t.equal(
		sent({ text: `sk_li${`AKIA${'A'.repeat(16)}`}ve_12345678` }, { match: 'secret', mode: 'remove' })['text'],
		'',
		'what closes up behind a match',
	);
	const nested = (depth: number) =>
		desk.accept(
			document([{ match: 'pair', mode: 'remove' }]),
			{ text: `${'('.repeat(depth)}${')'.repeat(depth)}` },
			patternsOf({ pair: '\\(\\)' }),
		).sent;
	t.strictSame(nested(10), { text: '' });
	t.throws(() => nested(30), { name: 'PolicyError', message: /matches within matches/ });
	t.end();
});

t.test('a redaction changes what it names, and nothing else', (t) => {
	const args = { a: { 'b/c': ['one', { d: 'two' }, 3], '~': 'tilde' }, secret: { x: 1 }, list: [1, 2, 3] };
	const same = JSON.stringify(args);
	const cases: [Partial<Redaction>, JsonObject][] = [
		[{ path: '/a/b~1c/1/d' }, { ...args, a: { ...args.a, 'b/c': ['one', { d: '[value masked]' }, 3] } }],
		[
			{ path: '/a/~0', mode: 'remove' },
			{ ...args, a: { 'b/c': args.a['b/c'] } },
		],
		[
			{ path: '/list/1', mode: 'remove' },
			{ ...args, list: [1, null, 3] },
		],
		[
			{ path: '/secret', mode: 'hash' },
			{ ...args, secret: 'digest({"x":1})' },
		],
		[{ path: '/a/**' }, { ...args, a: { 'b/c': ['[value masked]', { d: '[value masked]' }, 3], '~': '[value masked]' } }],
		[{ path: '/list/01' }, args],
		[{ path: '/list/3' }, args],
		[{ path: '/nothing/here', mode: 'remove' }, args],
		[{ path: '/__proto__/x' }, args],
		[{ path: '' }, {}],
	];
	for (const [redaction, expected] of cases) t.strictSame(sent(args, redaction), expected, JSON.stringify(redaction));
	t.equal(JSON.stringify(args), same, 'the original stays');
	t.strictSame(sent({ card: 4111111111111111, when: 1700000000000, rate: 0.4111111111111111 }, { match: 'credit-card' }), {
		card: '[credit-card masked]',
		when: 1700000000000,
		rate: 0.4111111111111111,
	});
	t.strictSame(sent({ 'a@b.example.com': 1 }, { match: 'email' }), { '[email masked]': 1 }, 'a key too');
	t.strictSame(sent({ to: 'a@b.example.com' }, { match: 'email', path: '/to', mode: 'hash' }), { to: 'digest("a@b.example.com")' });
	const odd = JSON.parse('{"__proto__": {"a": "123-45-6789"}, "constructor": "123-45-6789"}') as JsonObject;
	t.equal(JSON.stringify(sent(odd, { match: 'us-ssn' })), '{"__proto__":{"a":"[us-ssn masked]"},"constructor":"[us-ssn masked]"}');
	t.equal(JSON.stringify(sent(odd, { path: '/__proto__/a', mode: 'remove' })), '{"__proto__":{},"constructor":"123-45-6789"}');
	t.strictSame(sent({ a: 'x' }, { path: '/a', mode: 'remove' }, { path: '/a', mode: 'hash' }), {}, 'the stronger wins, in whichever order');
	t.end();
});

t.test('what goes upstream and what is recorded differ by what is for the record only', (t) => {
	const redactions = [
		{ path: '/ssn', target: 'request' },
		{ path: '/note', target: 'audit' },
		{ path: '/text', target: 'result' },
	] as const;
	const { sent, recorded, timeoutMs, maxResultBytes } = desk.accept(
		document(redactions, { timeoutMs: 5 }),
		{ ssn: '1', note: '2', text: '3' },
		{},
	);
	t.strictSame(sent, { ssn: '[value masked]', note: '2', text: '3' });
	t.strictSame(recorded, { ssn: '[value masked]', note: '[value masked]', text: '3' });
	t.equal(timeoutMs, 5);
	t.equal(maxResultBytes, undefined);
	t.strictSame(desk.accept(document([], { maxResultBytes: 7 }), {}, {}), { sent: {}, recorded: {}, maxResultBytes: 7 });
	t.end();
});

t.test('an obligation that can not be fulfilled is refused before the call', (t) => {
	const cases: [Partial<Redaction>, RegExp][] = [
		[{ match: 'unknown' }, /names the pattern unknown, which does not exist/],
		[{ match: 'toString' }, /names the pattern toString/],
		[{ match: 'unknown', target: 'result' }, /names the pattern unknown/],
		[{ path: 'a/b' }, /a\/b is not a JSON Pointer/],
		[{ path: '/a~2' }, /is not a JSON Pointer/],
		[{ path: '/a/**/b' }, /goes on after \/\*\*/],
		[{ path: 'text', target: 'result' }, /is not a JSON Pointer/],
	];
	for (const [redaction, message] of cases)
		t.throws(() => desk.accept(document([redaction]), { a: '1' }, {}), { name: 'PolicyError', message }, JSON.stringify(redaction));
	t.end();
});

t.test('a result is redacted by both decisions, and withheld when it no longer fits', (t) => {
	const result = { content: [{ type: 'text', text: 'call 123-45-6789' }], structuredContent: { count: 3 } };
	const text = { target: 'result', match: 'us-ssn' } as const;
	const count = { target: 'result', path: '/structuredContent/count' } as const;
	t.strictSame(desk.redactResult([document([text]), document([])], result, tool, {}), {
		...result,
		content: [{ type: 'text', text: 'call [us-ssn masked]' }],
	});
	t.equal(desk.redactResult([document([]), document([count])], result, tool, {}), undefined);
	t.equal(desk.redactResult([document([{ path: '/**' }])], result, tool, {}), result, 'redactions of the request are not for the result');
	t.end();
});

t.test('patterns of a bundle are linear, and only its own', (t) => {
	const own = patternsOf(namedPatterns({ toolgate: { patterns: { ticket: 'T-[0-9]+', nested: '(a+)+$' } } }));
	const redact = (value: string, match: string) => desk.accept(document([{ match }]), { value }, own).sent['value'];
	t.equal(redact('see T-123 and T-4', 'ticket'), 'see [ticket masked] and [ticket masked]');
	t.equal(redact('', 'ticket'), '');
	const began = performance.now();
	redact(`${'a'.repeat(2_000)}!`, 'nested');
	t.ok(performance.now() - began < 2_000);
	t.strictSame(
		patternsOf({ x: '' })['x']!.replace('abc', () => '*'),
		'abc',
		'an empty match is none',
	);
	t.strictSame(namedPatterns({}), {});
	t.strictSame(namedPatterns({ toolgate: { other: 1 } }), {});
	t.throws(() => namedPatterns({ toolgate: { patterns: { x: 1 } } }), {
		message: /data\.toolgate\.patterns\.x: expected an RE2 expression/,
	});
	t.throws(() => namedPatterns({ toolgate: { patterns: { x: '(?=a)' } } }), { message: /x is not an RE2 expression/ });
	t.end();
});

t.test('an answer that is not exactly a decision decides nothing', (t) => {
	const judge = (answer: unknown): EvaluatorJudge => new EvaluatorJudge({ evaluate: () => answer } as unknown as Evaluator, 'r');
	const good = document([]) as unknown as JsonObject;
	t.equal(judge(good).call({}), good);
	t.equal(judge(true).list({}), true);
	for (const answer of [undefined, null, 0, '', 'true', [], {}])
		t.throws(() => judge(answer).list({}), { name: 'PolicyError', message: /neither true nor false/ });
	const nonsense: [unknown, RegExp][] = [
		[undefined, /toolgate\/decision\/call did not answer a decision: undefined/],
		[null, /the document must be object/],
		[[good], /must be object/],
		[{ ...good, version: 2 }, /\/version must be equal to constant/],
		[{ ...good, verdict: 'Allow' }, /\/verdict must be equal to one of the allowed values/],
		[{ ...good, extra: 1 }, /must NOT have additional properties/],
		[Object.fromEntries(Object.entries(good).filter(([key]) => key !== 'redactions')), /must have required property 'redactions'/],
		[{ ...good, redactions: [{ target: 'request', path: '/a', mode: 'shred' }] }, /\/redactions\/0\/mode/],
		[{ ...good, redactions: [{ target: 'everything', path: '/a', mode: 'mask' }] }, /\/redactions\/0\/target/],
		[{ ...good, limits: { maxCalls: 3 } }, /\/limits must NOT have additional/],
		[{ ...good, limits: { timeoutMs: -1 } }, /\/limits\/timeoutMs/],
		[{ ...good, budgets: [{ rule: 'a.b' }] }, /\/budgets\/0/],
		[{ ...good, budgets: [{ rule: 'a.b', by: ['principal'], per: 'day', unit: 'calls', limit: 2n ** 60n, cost: 1 }] }, /\/budgets\/0/],
		[{ ...good, approvals: [{ rule: 'a.b', approvers: ['x'], quorum: 0, ttlSeconds: 9 }] }, /\/approvals\/0\/quorum/],
	];
	for (const [answer, message] of nonsense) t.throws(() => judge(answer).call({}), { name: 'PolicyError', message }, String(message));
	t.throws(() => judge({ ...good, verdict: 'budget' }).result({}), {
		name: 'PolicyError',
		message: /answered budget; only allow or deny fit a result/,
	});
	t.equal(judge({ ...good, verdict: 'deny' }).result({}).verdict, 'deny');

	const throwing = (error: unknown): EvaluatorJudge =>
		new EvaluatorJudge(
			{
				evaluate: () => {
					throw error;
				},
			} as unknown as Evaluator,
			'r',
		);
	const cause = Object.assign(new Error('x'), { stack: 'at g0.data.toolgate.rules.payments.finding (wasm://1)' });
	t.throws(() => throwing(new OutOfFuel(5, cause)).call({}), {
		name: 'PolicyError',
		message: 'policy stopped after 5 units of fuel (in data.toolgate.rules.payments.finding)',
	});
	t.throws(() => throwing(new TypeError('a bug')).call({}), { name: 'TypeError' }, 'a bug is not a decision');
	t.end();
});
