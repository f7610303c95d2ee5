import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { opaAnswers } from '../../../test/opa-answers.ts';
import type { BuiltinContext } from '../builtins.ts';
import { fromText, type RegoValue } from '../rego-value.ts';
import { termText } from './go-quote.ts';
import { builtins } from './index.ts';

/** A line of `cases/*.txt`: a call, and the answer that OPA gives. */
interface Case {
	readonly call: string;
	readonly answer: string;
}

const dir = join(import.meta.dirname, 'cases');
const families = readdirSync(dir).map((file): [string, Case[]] => [file, readCases(readFileSync(join(dir, file), 'utf8'))]);
const context = (): BuiltinContext => ({ nowNs: 1_700_000_000_123_456_789n, memo: new Map() });

function readCases(text: string): Case[] {
	const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
	return lines.map((line) => {
		const [call = '', answer = ''] = line.split(' => ');
		return { call, answer };
	});
}

function ask(call: string): string {
	const [, name = '', args = ''] = /^([a-z0-9_.]+)\((.*)\)$/s.exec(call) ?? [];
	const answer = builtins[name]?.(context(), ...(fromText(`[${args}]`) as RegoValue[]));
	return answer === undefined ? 'undefined' : termText(answer);
}

/** An answer as a value is printed: OPA keeps the zeros of 0.0010, a value doesn't. */
function plain(answer: string): string {
	return answer === 'undefined' ? answer : termText(fromText(answer));
}

for (const [file, cases] of families) {
	t.test(`each call in cases/${file} has the answer beside it`, async (t) => {
		t.ok(cases.length > 10);
		for (const { call, answer } of cases) t.equal(ask(call), plain(answer), call);
	});
}

t.test('the answers in the cases are those of OPA itself', async (t) => {
	const cases = families.flatMap(([, cases]) => cases);
	const answers = await opaAnswers(cases.map(({ call }) => call));
	for (const [i, { call, answer }] of cases.entries()) t.equal(answers[i] ?? 'undefined', answer, call);
});

t.test('what OPA answers by machine or network, or never, is a builtin error', async (t) => {
	for (const call of [
		'time.format([0, "Local"])',
		'json.match_schema({}, {"$ref": "http://127.0.0.1:1/schema.json"})',
		'json.match_schema({}, {"$ref": "#"})',
		'semver.compare("1.0.0-1", "1.0.0-01")',
	]) {
		t.equal(ask(call), 'undefined', call);
	}
});

t.test('bytes that are no text are a builtin error, since a Rego value here is text', async (t) => {
	for (const call of ['hex.decode("ff")', 'urlquery.decode("%ff")', 'uri.parse("/%ff")']) t.equal(ask(call), 'undefined', call);
});

t.test('answers that would fill the memory are builtin errors', async (t) => {
	const graph = JSON.stringify(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`n${i}`, [`n${i + 1}`, `n${i + 2}`]])));
	const doubling = JSON.stringify(Array.from({ length: 60 }, (_, i) => ({ op: 'copy', from: '', path: `/c${i}` })));
	for (const call of [
		'net.cidr_expand("10.0.0.0/8")',
		'net.cidr_expand("::/0")',
		'numbers.range_step(1, 1000000000000, 1)',
		`graph.reachable_paths(${graph}, ["n0"])`,
		`json.patch({"a": 1}, ${doubling})`,
		'sprintf("%9999999d", [1])',
		'units.parse("1e999999")',
		`regex.replace("${'a'.repeat(5_000)}", "a", "${'b'.repeat(1_000)}")`,
	]) {
		t.equal(ask(call), 'undefined', call.slice(0, 80));
	}
});

t.test('nothing takes long, however the arguments are chosen', async (t) => {
	const text = 'a'.repeat(60_000);
	const started = performance.now();
	t.equal(ask(`regex.find_n("(a+)+$", "${text}b", -1)`), '[]');
	ask(`regex.find_n("a.*b|a", "${text}", -1)`);
	ask(`regex.find_n("(a?){500}b", "${text}", -1)`);
	ask(`regex.globs_match("${'a*b*'.repeat(120)}", "${'a*b*'.repeat(119)}c")`);
	ask(`time.parse_duration_ns("${'1'.repeat(60_000)}.")`);
	ask(`units.parse("${'1'.repeat(60_000)}..")`);
	ask(`object.subset([${'0,'.repeat(16_000)}0], [${'0,'.repeat(8_000)}1])`);
	ask(`json.match_schema({"a": "/${'{'.repeat(30_000)}}"}, {"properties": {"a": {"format": "uri-template"}}})`);
	ask(
		`io.jwt.decode("${Buffer.from('{"cty":"JWT"}').toString('base64url')}.${Buffer.from(`${'"'.repeat(40_000)}x`).toString('base64url')}.")`,
	);
	t.ok(performance.now() - started < 5_000, 'each of these takes minutes if it is not bounded');
});

t.test('the clock is the one of the evaluation', async (t) => {
	t.equal(ask('time.now_ns()'), '1700000000123456789');
	t.equal(ask('time.add_date([1711839600000000000, "Europe/Berlin"], 0, 0, 1)'), '1711922400000000000');
});
