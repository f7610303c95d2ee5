import type { Random } from '../../soak/random.ts';

/** Rules written in good faith, and what hostile arguments can make of them. */
export const RULES = `
access contains "everybody may do everything"

clash := 1 if input.arguments.clash

clash := 2 if input.arguments.clash

finding contains {"rule": "test.clash", "verdict": "deny", "message": "two values for one name"} if clash == 1

finding contains {"rule": "test.needle", "verdict": "deny", "message": "no needles"} if {
	walk(input.arguments, [_, value])
	is_string(value)
	contains(value, "needle")
}

finding contains {"rule": "test.pairs", "verdict": "deny", "message": "two that are alike"} if {
	some x in numbers.range(1, input.arguments.pairs)
	some y in numbers.range(1, input.arguments.pairs)
	x * y == -1
}

finding contains {"rule": "test.text", "verdict": "deny", "message": "so many times is too long"} if {
	parts := [input.arguments.text | some _ in numbers.range(1, input.arguments.times)]
	count(concat("", parts)) < 0
}

finding contains {"rule": "test.echo", "verdict": object.get(input.arguments, "verdict", "allow"), "message": object.get(input.arguments, "message", "echoed")}

finding contains {"rule": "test.much", "verdict": "deny", "message": "too much"} if {
	object.get(input.arguments, "amount", 0) > 100
}
`;

export interface HostileCall {
	readonly kind: string;
	/** JSON, or what pretends to be. */
	readonly argumentsText: string;
	/** Every word with which it may end. */
	readonly ends: readonly string[];
}

/** Refused before policy: a JSON-RPC error, or an answer that the model can mend. */
const REFUSED = ['invalid_arguments', 'error -32700', 'error -32600', 'error -32602'];
/** Nesting that the gateway takes, the message around the arguments included. */
const MAX_DEPTH = 64;

const ODD_TEXTS = [
	'\u0000',
	'\u202e\u2066',
	'e\u0301\u0327'.repeat(9),
	'\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67',
	'\ufeff',
	'\uffff\ufffe',
	'\u2028\u2029',
	'\u0130\u0131\u1e9e\ufb03',
	'\udbff\udfff',
	'"\\\b\f\n\r\t\u007f',
	'${data}{{.}}%s%n',
	'*/\'"--',
] as const;
const ODD_VALUES = [
	'null',
	'true',
	'1',
	'[]',
	'{}',
	'""',
	'"Allow"',
	'"allow "',
	'"deny\\u0000"',
	'["deny"]',
	'{"verdict":"allow"}',
	'"\\uff44eny"',
	'1e2',
] as const;
const ODD_NUMBERS = [
	'1e400',
	'-1e400',
	'1e-400',
	'12345678901234567890',
	'9007199254740993',
	'0.1e1',
	'-0',
	'1E2',
	'00',
	'1.',
	'.5',
	'+1',
	'NaN',
	'0x10',
] as const;

type Make = (random: Random) => Omit<HostileCall, 'kind'>;

const one = <T>(random: Random, of: readonly T[]): T => of[random.below(of.length)]!;
const text = (random: Random): string => Array.from({ length: 1 + random.below(12) }, () => one(random, ODD_TEXTS)).join('x');
const nested = (depth: number, inner: string, isList: boolean): string =>
	`${(isList ? '[' : '{"a":').repeat(depth)}${inner}${(isList ? ']' : '}').repeat(depth)}`;

const KINDS: Readonly<Record<string, Make>> = {
	conflict: (random) => ({ argumentsText: JSON.stringify({ clash: true, note: text(random) }), ends: ['policy_error'] }),
	runaway: (random) => ({ argumentsText: `{"pairs": ${5_000 + random.below(100_000)}}`, ends: ['policy_error'] }),
	growth: (random) => ({
		argumentsText: JSON.stringify({ text: 'x'.repeat(1 + random.below(30_000)), times: 100_000 + random.below(1e6) }),
		ends: ['policy_error'],
	}),
	deep: (random) => {
		const depth = 1 + random.below(50);
		return { argumentsText: `{"deep": ${nested(depth, '"a needle"', random.below(2) === 0)}}`, ends: ['deny'] };
	},
	'too deep': (random) => {
		const depth = MAX_DEPTH + random.below(random.below(4) === 0 ? 15_000 : 200);
		return { argumentsText: `{"deep": ${nested(depth, '1', random.below(2) === 0)}}`, ends: REFUSED };
	},
	wide: (random) => {
		const hides = random.below(2) === 0;
		const keys = 1 + random.below(1_000);
		const object = Object.fromEntries(
			Array.from({ length: keys }, (_, index) => [`${Array.from(text(random)).slice(0, 3).join('')}${index}`, index % 7]),
		);
		return { argumentsText: JSON.stringify({ ...object, last: hides ? 'needle' : 'thread' }), ends: [hides ? 'deny' : 'ok'] };
	},
	huge: (random) => ({
		argumentsText: JSON.stringify({ text: 'x'.repeat(65_600 + random.below(random.below(8) === 0 ? 6_000_000 : 200_000)) }),
		ends: REFUSED,
	}),
	Unicode: (random) => {
		const hides = random.below(3) === 0;
		return { argumentsText: JSON.stringify({ [text(random)]: `${text(random)}${hides ? 'needle' : ''}` }), ends: [hides ? 'deny' : 'ok'] };
	},
	'half a pair': (random) => ({
		argumentsText: one(random, ['{"a": "\\ud800"}', '{"\\udc00": 1}', '{"a": ["\\ud83dx"]}', '{"verdict": "\\udfff\\ud800"}']),
		ends: REFUSED,
	}),
	'odd finding': (random) => {
		const field = one(random, ['verdict', 'message']);
		const value = one(random, ODD_VALUES);
		const isSound = field === 'message' && /^".+"$/.test(value);
		return { argumentsText: `{"${field}": ${value}}`, ends: [isSound ? 'ok' : 'deny'] };
	},
	'odd number': (random) => ({ argumentsText: `{"amount": ${one(random, ODD_NUMBERS)}}`, ends: [...REFUSED, 'ok'] }),
	'two readings': (random) => ({
		argumentsText: one(random, [
			'{"clash": false, "clash": true}',
			'{"__proto__": {"clash": true}}',
			'{"a": {"__proto__": []}}',
			'{"amount": 1, "\\u0061mount": 1}',
		]),
		ends: REFUSED,
	}),
	'no object': (random) => ({ argumentsText: one(random, ['[]', '"x"', '7', '[{"clash": true}]', 'true']), ends: REFUSED }),
	broken: (random) => ({
		argumentsText: one(random, ['{', '{"a": }', '{"a": 1,}', "{'a': 1}", '{"a": "\n"}', '{"a": \u00a01}']),
		ends: REFUSED,
	}),
};

const NAMES = Object.keys(KINDS);

export function hostileCall(random: Random): HostileCall {
	const kind = one(random, NAMES);
	return { kind, ...KINDS[kind]!(random) };
}
