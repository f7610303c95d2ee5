import fc from 'fast-check';
import t from 'tap';
import { createConceal } from './conceal.ts';
import type { JsonValue } from './domain.ts';
import { anEvent, conceal, keys } from './ledger-fixture.ts';
import { concealing } from './log.ts';
import { eventRow } from './store/event-row.ts';
import { canaries } from '../test/canaries.ts';

t.test('every known format is found, wherever in a text it stands, and becomes its keyed digest', async (t) => {
	for (const [name, { text, secret = text }] of Object.entries(canaries)) {
		for (const around of [text, `before\n${text}\nafter`, `"${text}"`, `(${text})`]) {
			const clean = conceal.text(around);
			t.notMatch(clean, secret, name);
			t.match(clean, keys.keyedDigest(secret), `${name}: ${clean}`);
		}
	}
	t.equal(
		conceal.text('postgres://me:hunter22@db.example/x'),
		`postgres://${keys.keyedDigest('me:hunter22')}@db.example/x`,
		'the rest stays readable',
	);
});

t.test('what is no secret stays as it is', async (t) => {
	for (const text of [
		'task-3f2cbb1e-5a0a-4b8e-9d54-1f0d6a3c9b21',
		'risk-free-and-quite-long-description',
		'sk_test',
		'http://localhost:18080/mcp',
		'alice@example.com',
		'the bearer of this',
		'sha256:'.padEnd(71, 'a'),
		keys.keyedDigest('x'),
		'1795000000000',
		'ghost_story',
		'a?token=x',
	]) {
		t.equal(conceal.text(text), text);
	}
	fc.assert(
		fc.property(fc.jsonValue(), (value) => {
			const json = value as JsonValue;
			return conceal.value(json) === json;
		}),
	);
});

t.test('an event is recorded without them: in any field, deep down, in a name, behind an escape; and says where they were', async (t) => {
	const secret = canaries['openai']!.text;
	const event = anEvent({
		message: `it said ${secret}`,
		turn: secret,
		input: { arguments: { deep: [{ x: `\u001b[0m${secret}` }], [secret]: 1, kept: 2 }, tab: `\t${secret}` },
		detail: { why: `line\n${secret}` },
	});
	const row = eventRow(event, conceal);
	t.notMatch(JSON.stringify(row), secret);
	t.equal(row.turn, keys.keyedDigest(secret), 'equal ones can still be told');
	const body = JSON.parse(row.body);
	t.same(body.detail.concealed.sort(), ['/detail/why', '/input/arguments', '/input/tab', '/message', '/turn']);
	t.equal(body.input.arguments.kept, 2);
	const plain = eventRow(anEvent({ input: { a: 1 } }), conceal);
	t.notMatch(plain.body, /concealed/);
});

t.test('a log line that holds one is written without it, and stays one line of JSON', async (t) => {
	const lines: string[] = [];
	const log = concealing({ write: (line: string) => void lines.push(line) });
	for (const [name, { text, secret = text }] of Object.entries(canaries)) {
		log.write(`${JSON.stringify({ msg: `failed: ${text}`, err: { stack: `Error: ${text}\n at x` } })}\n`);
		t.notMatch(lines.at(-1), JSON.stringify(secret).slice(1, -1), name);
		t.doesNotThrow(() => JSON.parse(lines.at(-1)!) as unknown, name);
	}
});

t.test('no text makes the scan slow', async (t) => {
	const hostile = [
		'sk-',
		'://a:',
		'-----BEGIN PRIVATE KEY-----',
		'eyJaaaaaaaa.',
		'Bearer ',
		'?token=',
		'aws_secret_access_key=====',
		'SG.',
	].map((piece) => piece.repeat(Math.ceil(65_536 / piece.length)));
	const { text } = createConceal(() => 'x');
	for (const long of [...hostile, `eyJ${'a'.repeat(65_536)}`, `sk-${'-'.repeat(65_536)}`, `://${':'.repeat(65_536)}`]) {
		const beganMs = performance.now();
		text(long);
		t.ok(performance.now() - beganMs < 2_000, long.slice(0, 30));
	}
});
