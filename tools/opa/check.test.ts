import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { checkPolicy, formatProblems } from './check.ts';
import { problemLine } from './problem.ts';

/** Writes files into a policy of its own and returns what the check says, one line each, paths relative to the policy. */
async function check(t: Test, files: Record<string, string>): Promise<string[]> {
	const folder = t.testdir();
	for (const [path, text] of Object.entries(files)) {
		mkdirSync(dirname(join(folder, path)), { recursive: true });
		writeFileSync(join(folder, path), text);
	}
	return (await checkPolicy(folder)).map((problem) => problemLine(problem).replaceAll(`${folder}/`, ''));
}

/** The rules of the team `pay`; the package stands on line 1, and `body` begins on line 3. */
const pay = (t: Test, body: string): Promise<string[]> => check(t, { 'rules/pay/pay.rego': `package toolgate.rules.pay\n\n${body}\n` });

const vanishes = (what: string): string =>
	`without ${what} there is no finding, and the call goes through: use object.get(…) with the strictest default (toolgate.rules.pay.finding)`;

t.test('a policy in order has no problems', async (t) => {
	t.strictSame(
		await pay(
			t,
			`
access contains "support pays" if "support" in input.principal.groups

finding contains {"rule": "pay.daily", "verdict": "budget", "message": note, "budget": {
	"by": ["principal", "value:eu"], "per": 60, "unit": "cents", "limit": 5,
	"cost": object.get(input.arguments, "amount", cost(input.arguments)),
}} if {
	input.arguments.amount > limit
}

# An item is there when the body holds.
finding contains {"rule": "pay.item", "verdict": "deny", "message": sprintf("no %v", [item])} if {
	some item in input.arguments.items
	not item in known
}

finding contains noted if noted := {"rule": "pay.noted", "verdict": "allow", "message": concat(" ", ["a", input.tool.name])}

finding contains {"rule": "pay.calls", "verdict": "budget", "message": "calls", "budget": {"by": [], "per": "turn", "unit": "calls", "limit": 1}}

result_finding contains {"rule": "pay.mail", "verdict": "allow", "message": "m", "redact": [{"target": "result", "path": "/**", "match": "email", "mode": "mask"}]}

known := {"tea"}

limit := 10

default note := "spends"

note := input.arguments.note

cost(args) := count(args)`,
		),
		[],
	);
});

t.test('a head that reads an absent argument is found, however the argument gets there', async (t) => {
	const head = (message: string): string => `finding contains {"rule": "pay.a", "verdict": "deny", "message": ${message}}`;
	t.strictSame(await pay(t, head('input.arguments.note')), [`rules/pay/pay.rego:3:66: ${vanishes('input.arguments.note')}`]);
	t.strictSame(await pay(t, head('input["arguments"]["note"]')), [`rules/pay/pay.rego:3:66: ${vanishes('input.arguments.note')}`]);
	t.strictSame(await pay(t, head('upper(input.arguments.note)')), [`rules/pay/pay.rego:3:72: ${vanishes('input.arguments.note')}`]);
	t.strictSame(await pay(t, head('object.get(input.arguments.deep, "note", "")')), [
		`rules/pay/pay.rego:3:77: ${vanishes('input.arguments.deep')}`,
	]);
	t.strictSame(await pay(t, `${head('note')} if note := input.arguments.note`), [
		`rules/pay/pay.rego:3:66: ${vanishes('input.arguments.note')}`,
	]);
	t.strictSame(await pay(t, `${head('item.note')} if some item in input.arguments.items`), [
		`rules/pay/pay.rego:3:66: ${vanishes('input.arguments.items.*.note')}`,
	]);
	t.strictSame(await pay(t, `import input.arguments as args\n\n${head('args.note')}`), [
		`rules/pay/pay.rego:5:66: ${vanishes('input.arguments.note')}`,
	]);
	t.strictSame(await pay(t, `${head('note')}\n\nnote := input.arguments.note`), [
		`rules/pay/pay.rego:3:66: ${vanishes('note (it reads input.arguments.note and has no default)')}`,
	]);
	t.strictSame(
		await pay(t, `finding contains found if {\n\tfound := {"rule": "pay.a", "verdict": "deny", "message": input.arguments.note}\n}`),
		[`rules/pay/pay.rego:4:59: ${vanishes('input.arguments.note')}`],
	);
});

t.test('a finding that the library would refuse is found where it is written', async (t) => {
	const lines = await pay(
		t,
		`
finding contains {"verdict": "deny"}

finding contains {"rule": "other.a", "verdict": "denny", "message": "m", "aproval": {}}

finding contains {"rule": "pay.b", "verdict": "approvalRequired", "message": "m"}

finding contains {"rule": "pay.c", "verdict": "budget", "message": "m", "budget": {"by": ["nobody"], "per": "week", "unit": "cents", "limit": -1}}

finding contains {"rule": "pay.d", "verdict": "allow", "message": "", "redact": [{"target": "reply", "path": "text", "mode": "mask"}]}

finding contains {"rule": "pay.e", "verdict": "deny", "message": "m", "budget": {"by": [], "per": "day", "unit": "calls", "limit": 1}}

finding contains object.union({"rule": "pay.f"}, {"verdict": "deny"})

result_finding contains {"rule": "pay.g", "verdict": "approvalRequired", "message": "m", "approval": {"approvers": ["a"], "quorum": 1, "ttlSeconds": 1}}

result_finding contains {"rule": "pay.h", "verdict": "allow", "message": "m", "limits": {}, "redact": [{"target": "audit", "path": "", "mode": "mask"}]}`,
	);
	const set = '(toolgate.rules.pay.finding)';
	const resultSet = '(toolgate.rules.pay.result_finding)';
	t.strictSame(lines, [
		`rules/pay/pay.rego:4:18: the finding lacks rule ${set}`,
		`rules/pay/pay.rego:4:18: the finding lacks message ${set}`,
		`rules/pay/pay.rego:6:19: the rule of a finding of pay begins with "pay.", not "other.a" ${set}`,
		`rules/pay/pay.rego:6:38: verdict is one of deny, approvalRequired, budget, allow ${set}`,
		`rules/pay/pay.rego:6:74: the finding has no field aproval ${set}`,
		`rules/pay/pay.rego:8:18: the finding lacks approval ${set}`,
		`rules/pay/pay.rego:10:73: budget lacks cost ${set}`,
		`rules/pay/pay.rego:10:91: budget.by.0 is principal, agent, session, server, tool or value:<text> ${set}`,
		`rules/pay/pay.rego:10:102: budget.per is turn, session, minute, hour, day, month or a number of seconds ${set}`,
		`rules/pay/pay.rego:10:134: budget.limit must be >= 0 ${set}`,
		`rules/pay/pay.rego:12:56: message is empty ${set}`,
		`rules/pay/pay.rego:12:83: redact.0.target is one of request, result, audit ${set}`,
		`rules/pay/pay.rego:12:102: redact.0.path is a JSON Pointer: empty, or beginning with / ${set}`,
		`rules/pay/pay.rego:14:18: only the verdict budget has a budget ${set}`,
		`rules/pay/pay.rego:16:18: write the finding out as an object, so that its rule, verdict and message can be checked ${set}`,
		`rules/pay/pay.rego:18:43: the call has run: a result_finding can only allow (with redactions) or deny ${resultSet}`,
		`rules/pay/pay.rego:20:79: the call has run: a result_finding has no limits ${resultSet}`,
		`rules/pay/pay.rego:20:105: the call has run: a result_finding redacts only the result ${resultSet}`,
	]);
});

t.test('findings that are kept by tool are checked where they are written', async (t) => {
	const byTool = (rules: string) => pay(t, `finding contains found if some found in for_tool[input.tool.name]\n\n${rules}`);
	t.strictSame(
		await byTool(`for_tool.create_refund contains {"rule": "pay.refund", "verdict": "deny", "message": "no"} if input.arguments.amount > 5

for_tool["get-charge"] contains {"rule": "pay.get", "verdict": "allow", "message": "noted"}`),
		[],
	);
	t.match(await byTool('for_tool.x contains {"rule": "pay.x", "verdict": "denied", "message": "no"}'), [
		/^rules\/pay\/pay\.rego:5:39: verdict is one of .* \(toolgate\.rules\.pay\.for_tool\)$/,
	]);
	t.match(await byTool('for_tool.x contains {"rule": "other.x", "verdict": "deny", "message": "no"}'), [/^rules\/pay\/pay\.rego:5:\d+: /]);
	t.match(await byTool('for_tool.x contains {"rule": "pay.x", "verdict": "deny", "message": input.arguments.text}'), [
		/without input\.arguments\.text there is no finding/,
	]);
	t.match(await byTool('for_tool.x := {{"rule": "pay.x", "verdict": "deny", "message": "no"}}'), [
		/^rules\/pay\/pay\.rego:5:1: finding takes its findings from for_tool: write for_tool\.<tool> contains/,
	]);
	t.match(await pay(t, 'finding contains found if some found in data.toolgate.lists.x'), [/write the finding out as an object/]);
	t.match(await pay(t, 'finding contains found if some found in input.arguments.findings'), [/write the finding out as an object/]);
});

t.test('what the library would not hear is found', async (t) => {
	t.strictSame(await pay(t, 'deny contains "no"'), [
		'rules/pay/pay.rego:3:1: nothing reads deny: the library hears access, finding, result_finding (toolgate.rules.pay.deny)',
	]);
	t.strictSame(await pay(t, 'finding := {"rule": "pay.a", "verdict": "deny", "message": "m"}'), [
		'rules/pay/pay.rego:3:1: finding is a set: write finding contains … if { … } (toolgate.rules.pay.finding)',
	]);
	t.strictSame(await pay(t, 'eu.finding contains {"rule": "pay.a", "verdict": "deny", "message": "m"}'), [
		'rules/pay/pay.rego:3:1: finding stands directly in the package of the team; here it would not be heard (toolgate.rules.pay.eu)',
	]);
	const deny = 'finding contains {"rule": "eu.a", "verdict": "deny", "message": "m"}';
	t.strictSame(await check(t, { 'rules/pay/eu/eu.rego': `package toolgate.rules.pay.eu\n\n${deny}\n` }), [
		'rules/pay/eu/eu.rego:1:28: package toolgate.rules.pay.eu: rules stand in toolgate.rules.<team>, exactly one level; here they would not be heard',
	]);
	t.match(await check(t, { 'rules/eu.rego': `package toolgate.rules\n\neu := 1\n` }), [
		/^rules\/eu.rego:1:18: package toolgate.rules: rules stand in/,
	]);
	t.match(await check(t, { 'rules/pay/pay.rego': 'package pay\n\nx := 1\n' }), [
		/^rules\/pay\/pay.rego:1:9: package pay: the packages of a policy are toolgate/,
	]);
	t.match(await check(t, { 'rules/pay/pay.rego': 'package toolgate\n\nrules.pay.access contains "x"\n' }), [
		/^rules\/pay\/pay.rego:1:9: package toolgate: /,
	]);
});

t.test('nobody speaks for the library, or for a team by data', async (t) => {
	t.match(await check(t, { 'rules/pay/pay.rego': 'package toolgate.decision\n\nlist := true\n' }), [
		/^rules\/pay\/pay.rego:1:18: package toolgate.decision is the decision library/,
	]);
	t.match(await check(t, { 'data.json': '{"toolgate": {"rules": {"pay": {"access": ["all"]}}}}' }), [
		/^data.json: data under toolgate.rules/,
	]);
	t.match(await check(t, { 'toolgate/rules/pay/data.yaml': 'access: [all]\n' }), [
		/^toolgate\/rules\/pay\/data.yaml: data under toolgate.rules/,
	]);
	t.strictSame(await check(t, { 'toolgate/patterns/data.json': '{"iban": "[A-Z]{2}[0-9]{2}"}' }), []);
});

t.test('access that reads what listing does not have is found, also through other rules', async (t) => {
	t.strictSame(await pay(t, 'access contains "small" if input.arguments.amount < 10'), [
		'rules/pay/pay.rego:3:28: access decides the list too, where there is no input.arguments: say it in a finding (toolgate.rules.pay.access)',
	]);
	t.strictSame(
		await pay(t, 'access contains "small" if is_small\n\nis_small if amount < 10\n\namount := object.get(input.arguments, "amount", 0)'),
		[
			'rules/pay/pay.rego:7:22: access decides the list too, where there is no input.arguments: say it in a finding (toolgate.rules.pay.access)',
		],
	);
	t.match(await pay(t, 'access contains "here" if input.session.era == "modern"'), [/no input\.session/]);
});

t.test('what OPA itself refuses comes with line and column', async (t) => {
	t.match(await pay(t, 'access contains "x" if input.tool.nmae == "y"'), [
		/^rules\/pay\/pay.rego:3:24: undefined ref: input.tool.nmae; there is: annotations, definitionDigest, name, pinned$/,
	]);
	t.match(await pay(t, 'access contains "x" if {'), [/^rules\/pay\/pay.rego:4:1: unexpected eof token/]);
	t.match(await pay(t, 'access contains "x" if http.send({"method": "get", "url": "http://127.0.0.1"}).status_code == 200'), [
		/^rules\/pay\/pay.rego:3:24: undefined function http.send$/,
	]);
	t.match(await pay(t, 'access contains "x" if { y := 1 }'), [/^rules\/pay\/pay.rego:3:26: assigned var y unused$/]);
	t.strictSame(
		(await checkPolicy(join(t.testdir(), 'none'))).map(({ message }) => message),
		['no such folder'],
	);
});

t.test('a file that is not formatted is named', async (t) => {
	const folder = t.testdir({ 'a.rego': 'package toolgate.rules.a\naccess   contains "x"\n', 'b.rego': 'package toolgate.rules.b\n' });
	t.match((await formatProblems(folder)).map(problemLine), [/a\.rego: not formatted: opa fmt --write$/]);
});
