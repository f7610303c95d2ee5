import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
// oxlint-disable-next-line no-restricted-imports -- the words are held against the gateway's own
import { APPROVAL_WORDS, DECISION_WORDS, OUTCOME_WORDS, REFUSAL_WORDS } from '../../gateway/src/domain.ts';
import { UsageError } from './deployment.ts';
import { readExpectedFailures } from './expected-failures.ts';
import { readOptions } from './options.ts';
import { batchesOf } from './schedule.ts';
import { type EvalCase, readSuite } from './suite.ts';
import { demandKnownTools } from './tool-names.ts';

/** Writes the files into a folder of the test's own. */
function folder(t: Test, files: Readonly<Record<string, string>>): (name: string) => string {
	const root = t.testdir();
	for (const [name, text] of Object.entries(files)) {
		mkdirSync(join(root, name, '..'), { recursive: true });
		writeFileSync(join(root, name), text);
	}
	return (name) => join(root, name);
}

function refusalOf(act: () => unknown): string {
	try {
		act();
	} catch (error) {
		if (error instanceof UsageError) return error.message;
		throw error;
	}
	return 'not refused';
}

const head = 'cases:\n  - name: one\n    input: List the charges\n    principal: eval-one@example.com\n';

t.test('what is wrong in a suite is told with file, line and column', (t) => {
	const at = folder(t, {
		'broken.yaml': 'cases:\n  - name: "one\n',
		'key.yaml': `${head}    mustSayy: [ok]\n`,
		'outcome.yaml': `${head}    trace:\n      - { tool: list_payouts, decision: perhaps }\n`,
		'service.yaml': `${head}    faults: { stripe: down }\n`,
		'mode.yaml': `${head}    faults: { mock-lark: asleep }\n`,
		'tool.yaml': `${head}    mustInclude: ["no tool"]\n`,
		'missing.yaml': 'cases:\n  - name: one\n    input: x\n',
		'twice.yaml': `${head}  - name: one\n    input: again\n    principal: eval-two@example.com\n`,
		'attack.yaml': `${head}    attack:\n      - { arguments: {} }\n`,
		'empty.yaml': '',
	});
	const says = (name: string) => refusalOf(() => readSuite(at(name))).replace(at(name), name);
	t.match(says('broken.yaml'), /^broken\.yaml:3:1: Missing closing "quote/);
	t.match(says('key.yaml'), /^key\.yaml:5:15: case "one", mustSayy: unknown key; there are name, input, .*, mustSay, /);
	t.match(
		says('outcome.yaml'),
		/^outcome\.yaml:6:41: case "one", trace\.0\.decision: must be equal to one of the allowed values: allow, deny, /,
	);
	t.equal(
		says('service.yaml'),
		'service.yaml:5:23: case "one", faults.stripe: unknown key; there are localstripe, localstripe-mcp, mock-lark',
	);
	t.equal(
		says('mode.yaml'),
		'mode.yaml:5:26: case "one", faults.mock-lark: must be equal to one of the allowed values: down, approve-once, reject, ignore',
	);
	t.match(says('tool.yaml'), /^tool\.yaml:5:19: case "one", mustInclude\.0: must match pattern/);
	t.equal(says('missing.yaml'), `missing.yaml:2:5: case "one": must have required property 'principal'`);
	t.equal(says('twice.yaml'), 'twice.yaml:5:11: the name "one" stands twice');
	t.match(says('attack.yaml'), /^attack\.yaml:6:9: case "one", attack\.0: must have required property/);
	t.equal(says('empty.yaml'), 'empty.yaml:1:1: must be object');
	t.match(
		refusalOf(() => readSuite('nowhere.yaml')),
		'nowhere.yaml: no such file',
	);
	t.end();
});

t.test('the schema knows every word of the trail, and no other', (t) => {
	const schema = JSON.parse(readFileSync(new URL('../../evalsuite/suite.schema.json', import.meta.url), 'utf8')) as {
		$defs: Record<string, { enum: string[] }>;
	};
	t.strictSame(schema.$defs['outcome']!.enum, [...DECISION_WORDS, ...APPROVAL_WORDS, ...OUTCOME_WORDS, ...REFUSAL_WORDS]);
	t.end();
});

t.test('a tool that the gateway does not know is told where it stands, unless it may have any name', async (t) => {
	const at = folder(t, {
		'fine.yaml': `${head}    mustInclude: [get_charge]\n    attack: [{ tool: get_chargé }]\n    trace: [{ tool: nothing, decision: unknown_tool }]\n`,
		'slip.yaml': `${head}    mustNotInclude: [get_charge, create_refnd]\n`,
		'trace.yaml': `${head}    trace:\n      - { tool: get_charge, decision: allow }\n      - { tool: get_charges, decision: allow }\n`,
	});
	const answers: string[][] = [[], ['get_charge', 'create_refund']];
	const stack = { tools: async () => (answers.length > 1 ? answers.shift()! : answers[0]!) };
	const says = async (name: string) => {
		const refused = await demandKnownTools([readSuite(at(name))], stack, new AbortController().signal).catch((error: Error) => error);
		return refused?.message.replace(at(name), name);
	};
	t.equal(await says('fine.yaml'), undefined, 'the list is waited for');
	t.equal(await says('slip.yaml'), 'slip.yaml:5:34: case "one": no tool create_refnd; the gateway knows get_charge, create_refund');
	t.match(await says('trace.yaml'), /^trace\.yaml:7:17: case "one": no tool get_charges; /);
});

t.test('the suites of this project can be read, and each case has a principal of its own', (t) => {
	const root = new URL('../../evalsuite/', import.meta.url).pathname;
	const principals = ['default', 'resilience', 'adversarial'].flatMap((name) =>
		readSuite(`${root}${name}.yaml`).cases.map(({ principal }) => principal),
	);
	t.ok(principals.length >= 15);
	t.equal(new Set(principals).size, principals.length);
	t.end();
});

t.test('known failures lie beside their suite, and an entry without a case is refused', (t) => {
	const entry = (name: string) => `failures:\n  - suite: suite.yaml\n    case: ${name}\n    because: not built yet\n`;
	const at = folder(t, {
		'a/suite.yaml': head,
		'a/expected-failures.yaml': entry('one'),
		'b/suite.yaml': head,
		'c/suite.yaml': head,
		'c/expected-failures.yaml': entry('gone'),
	});
	const [a, b] = [readSuite(at('a/suite.yaml')), readSuite(at('b/suite.yaml'))];
	const known = readExpectedFailures([a, b]);
	t.equal(known.reasonOf(a, 'one'), 'not built yet');
	t.equal(known.reasonOf(b, 'one'), undefined);
	t.match(
		refusalOf(() => readExpectedFailures([readSuite(at('c/suite.yaml'))])),
		/expected-failures\.yaml:3:11: stale: suite\.yaml has no case "gone"; delete this entry$/,
	);
	t.end();
});

t.test('cases run side by side only where they need the same faults and promise to have no effect', (t) => {
	const one = (name: string, more: Partial<EvalCase>): EvalCase => ({ name, input: 'x', principal: `${name}@example.com`, ...more });
	const none = { refunds: 0 };
	const cases = [
		one('a', { ledger: none }),
		one('refund', { ledger: { refunds: 1 } }),
		one('b', { ledger: none, faults: { 'mock-lark': 'down', localstripe: 'down' } }),
		one('c', { ledger: none }),
		one('d', { ledger: none, faults: { localstripe: 'down', 'mock-lark': 'down' } }),
		one('unsaid', {}),
		one('texts', { ledger: none, messages: {} }),
		one('first card', { ledger: none, faults: { 'mock-lark': 'approve-once' } }),
	];
	const runs = cases.map((of) => ({
		suite: { file: 's.yaml', cases, at: (pointer: string) => new UsageError(pointer) },
		case: of,
		round: 1,
	}));
	const names = (isParallel: boolean) => batchesOf(runs, isParallel).map((batch) => batch.map((run) => run.case.name).join(' '));
	t.strictSame(names(true), ['a c', 'refund', 'b d', 'unsaid', 'texts', 'first card']);
	t.strictSame(
		names(false),
		cases.map(({ name }) => name),
	);
	t.end();
});

t.test('options: defaults, and one line for what is wrong', (t) => {
	t.strictSame(readOptions([]), { files: ['evalsuite/default.yaml'], names: [], repeat: 1, parallel: 1, isCompose: false, isFresh: false });
	t.match(
		readOptions(['x.yaml', '--name', 'Storm', '--repeat', '3', '--parallel', '2', '--junit', 'j.xml', '--json', 'j.json', '--fresh']),
		{
			files: ['x.yaml'],
			names: ['storm'],
			repeat: 3,
			parallel: 2,
			junitFile: 'j.xml',
			jsonFile: 'j.json',
			isFresh: true,
		},
	);
	t.equal(readOptions(['--help']), undefined);
	t.equal(
		refusalOf(() => readOptions(['--repeat', '0'])),
		'--repeat is "0", expected a whole number from 1 to 1000',
	);
	t.match(
		refusalOf(() => readOptions(['--nmae', 'x'])),
		/^Unknown option '--nmae'; npm run eval -- --help/,
	);
	t.match(
		refusalOf(() => readOptions(['--compose', '--fresh'])),
		/leave out --fresh$/,
	);
	t.end();
});
