import fc, { type Arbitrary } from 'fast-check';
import t from 'tap';
import { call, compareWithOpa, one, text } from '../../../test/compare-with-opa.ts';
import { RegoSet, type RegoValue } from '../rego-value.ts';

const ns = fc
	.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.integer())
	.map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
const chunk = one(
	'2006',
	'06',
	'Jan',
	'January',
	'1',
	'01',
	'Mon',
	'2',
	'_2',
	'02',
	'__2',
	'002',
	'15',
	'3',
	'03',
	'4',
	'05',
	'5',
	'PM',
	'pm',
	'MST',
	'-0700',
	'Z07:00',
	'-07:00:00',
	'.000',
	',999',
);
const layout = text(fc.oneof(chunk, one(' ', '-', ':', 'T', 'x', 'é', '_', '9')), 8);
const zone = one(
	'UTC',
	'Europe/Paris',
	'America/New_York',
	'Asia/Kolkata',
	'Australia/Lord_Howe',
	'America/St_Johns',
	'Asia/Pyongyang',
	'nowhere',
);
const digits = one(
	'2024',
	'24',
	'Feb',
	'march',
	'7',
	'07',
	'29',
	'060',
	'13',
	'24',
	'AM',
	'pm',
	'CET',
	'+0100',
	'Z',
	'+24:00',
	'.5',
	' ',
	'-',
	':',
	'T',
	'é',
);

t.test('times are formatted, read and added up as by OPA', (t) =>
	compareWithOpa(
		t,
		fc.oneof(
			call(
				'time.format',
				fc.tuple(ns, zone, fc.oneof(layout, one('RFC1123', 'UnixDate'))).map((parts): RegoValue => parts),
			),
			call(
				'time.diff',
				fc.tuple(ns, zone).map((parts): RegoValue => parts),
				ns,
			),
			call(
				'time.add_date',
				ns,
				fc.integer({ min: -300, max: 300 }),
				fc.integer({ min: -50, max: 50 }),
				fc.integer({ min: -900, max: 900 }),
			),
			call('time.parse_ns', text(chunk, 3), text(digits, 4)),
			call(
				'time.parse_duration_ns',
				text(fc.oneof(one('1', '1.5', '.5', '10', '9223372036', '-'), one('h', 'm', 's', 'ms', 'µs', 'ns', 'd', 'w', 'y')), 4),
			),
		),
		500,
	),
);

const printable: Arbitrary<RegoValue> = one<RegoValue>(
	0,
	1,
	-7,
	42,
	255,
	1.5,
	-2.25,
	123456.789,
	0.5,
	'a',
	'é😀',
	'x"`',
	null,
	true,
	[1, 'a'],
	{ k: 1 },
	12345678901234567890n,
	2n ** 63n,
);
const directive = fc
	.tuple(
		one('', '#', '0', '+', '-', ' ', '0-', '+#'),
		one('', '[1]', '[2]', '[9]', '*'),
		one('', '3', '12'),
		one('', '.0', '.2', '.*'),
		one('v', 'd', 's', 'q', 'x', 'X', 'o', 'O', 'b', 'c', 'U', 'e', 'f', 'g', 'G', 't', 'T', '%', 'z'),
	)
	.map((parts) => `%${parts.join('')}`);

t.test('text is formatted as by OPA', (t) =>
	compareWithOpa(t, call('sprintf', text(fc.oneof(directive, one('a', 'é')), 4), fc.array(printable, { maxLength: 3 })), 500),
);

const atom = fc
	.tuple(
		one('a', 'b', '.', '\\w', '\\b', '^', '$', '[^a]', '(a)', '(a|b|)', '(?P<x>a|b)', 'é', '(?i)A', '\\d', '(', '(?=a)'),
		one('', '', '*', '+', '?', '{2}', '|'),
	)
	.map((parts) => parts.join(''));
const subject = text(one('a', 'b', 'A', 'é', '😀', ' ', '1', 'ab'), 8);
const glob = text(
	fc.tuple(one('a', 'b', '.', '[ab]', '[a-c]'), one('', '', '*', '+')).map((parts) => parts.join('')),
	5,
);

t.test('patterns match as by OPA', (t) =>
	compareWithOpa(
		t,
		fc.oneof(
			call('regex.find_n', text(atom, 4), subject, one(-1, 0, 1, 2)),
			call('regex.split', text(atom, 3), subject),
			call('regex.replace', subject, text(atom, 3), text(one('$1', '${x}', '$1z', '$$', '$', '-'), 4)),
			call('regex.globs_match', glob, glob),
		),
		600,
	),
);

const block = fc
	.tuple(
		one('10.0.0.0', '10.0.1.0', '192.168.1.77', '2001:db8::', 'fe80::1', '::ffff:10.0.0.1', '010.0.0.1'),
		one('/8', '/24', '/25', '/31', '/32', '/64', '/126', ''),
	)
	.map((parts) => parts.join(''));
const urlPart = one(
	'http://',
	'x:',
	'//',
	'/',
	'a',
	'B',
	'%20',
	'%2F',
	'%',
	'é',
	'?',
	'#',
	'@',
	':',
	'[::1]',
	'80',
	'+',
	'&',
	'=',
	';',
	' ',
	'~',
	'(',
);

t.test('networks, URIs and queries are read as by OPA', (t) =>
	compareWithOpa(
		t,
		fc.oneof(
			call('net.cidr_is_valid', block),
			call(
				'net.cidr_contains_matches',
				fc.array(block, { maxLength: 3 }),
				fc.array(block, { maxLength: 3 }).map((items): RegoValue => RegoSet.of(items)),
			),
			call(
				'net.cidr_merge',
				fc.array(
					block.filter((item) => !item.startsWith('::ffff')),
					{ maxLength: 4 },
				),
			),
			call('uri.parse', text(urlPart, 6)),
			call('urlquery.decode_object', text(urlPart, 6)),
			call('urlquery.encode', text(urlPart, 6)),
		),
		500,
	),
);

const scalar: Arbitrary<RegoValue> = one<RegoValue>(0, 1, 'a', null);
const nested: Arbitrary<RegoValue> = fc.letrec<{ node: RegoValue }>((tie) => ({
	node: fc.oneof(
		{ maxDepth: 2 },
		scalar,
		fc.array(tie('node'), { maxLength: 3 }),
		fc.tuple(tie('node'), tie('node')).map(([a, b]): RegoValue => ({ a, b })),
		fc.array(tie('node'), { maxLength: 2 }).map((items): RegoValue => RegoSet.of(items)),
	),
})).node;
const path = fc
	.tuple(one('/a', '/b'), fc.array(one('/a', '/b', '/0', '/1', '/-', '/01'), { maxLength: 1 }))
	.map(([root, rest]) => root + rest.join(''));
const operation = fc
	.record({ op: one('add', 'remove', 'replace', 'move', 'copy', 'test'), path, from: path, value: nested })
	.map((op): RegoValue => op);

t.test('documents are patched as by OPA', (t) =>
	compareWithOpa(
		t,
		call(
			'json.patch',
			fc.tuple(nested, nested).map(([a, b]): RegoValue => ({ a, b })),
			fc.array(operation, { minLength: 1, maxLength: 2 }),
		),
		600,
	),
);

const version = fc
	.tuple(one('1.2.3', '1.2.10', 'v1.2.3', '1.2', ' 1.2.3'), one('', '-rc', '-rc.2', '-rc.10', '-2.a', '+b'))
	.map((parts) => parts.join(''));
const amount = fc
	.tuple(
		one('', '-'),
		one('1', '1.5', '.5', '5.', '1e3', '1e-3', '123456789012345678901', '1.2.3', ''),
		one('', 'm', 'M', 'Ki', 'kb', 'MiB', 'e', 'x'),
	)
	.map((parts) => parts.join(''));

t.test('versions and sizes are read as by OPA', (t) =>
	compareWithOpa(
		t,
		fc.oneof(call('semver.compare', version, version), call('semver.is_valid', version), call('units.parse_bytes', amount)),
		300,
	),
);
