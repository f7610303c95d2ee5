import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openAgent } from './agent.ts';
import { build, type Built } from './build.ts';
import { cli } from './cli.ts';
import { policyVariant } from './policy-variant.ts';
import { secondVerifier } from './second-verifier.ts';

/** What a person at a terminal can prove, and what a person at a terminal can do to a budget. */

function aFolder(t: Test): string {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-proof-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

const live = ({ configFile, peopleUrl }: Built) => ['--config', configFile, '--url', peopleUrl];

t.test('[audit.offline] the trail is exported and verified with no gateway at hand; the second place finds what was cut off', async (t) => {
	const folder = aFolder(t);
	const file = (name: string) => join(folder, name);
	const gateway = await build(t, { config: { audit: { checkpoints: file('checkpoints.jsonl') } } });
	const agent = await openAgent(gateway.mcpUrl);
	for (let n = 0; n < 3; n++) t.equal((await agent.call('list_recent_charges')).word, 'ok');
	await agent.call('delete_customer', { customer: 'cus_1' });
	writeFileSync(file('key.pem'), (await cli(t, ['audit', 'key', ...live(gateway)])).stdout);
	t.match(await cli(t, ['audit', 'export', '--out', file('trail.jsonl'), ...live(gateway)]), { code: 0, stdout: '' });
	t.match(await cli(t, ['audit', 'verify', ...live(gateway)]), { code: 0, stdout: /^intact {2}\d+ events in 1 streams/ });
	await gateway.close();

	const checkpoints = readFileSync(file('checkpoints.jsonl'), 'utf8');
	t.ok(checkpoints.split('\n').length > 1, 'the last was signed when the gateway drained');
	const text = readFileSync(file('trail.jsonl'), 'utf8');
	t.equal(secondVerifier(text, '', readFileSync(file('key.pem'), 'utf8')), undefined);
	const verify = (...more: string[]) => cli(t, ['audit', 'verify', '--export', file('trail.jsonl'), ...more], { cwd: folder });
	t.match(await verify('--key', file('key.pem'), '--checkpoints', file('checkpoints.jsonl')), { code: 0, stdout: /^intact / });
	t.match((await verify('--json')).stdout, /"notes": \[\s+"signatures were not looked at/);

	// The last event, and every line that speaks of it.
	const lines = text.split('\n').slice(0, -1);
	const [header, end] = [JSON.parse(lines[0]!), JSON.parse(lines.at(-1)!)];
	const { stream, sequence } = JSON.parse(lines.at(-2)!) as { stream: string; sequence: number };
	header.export.streams[0].sequence -= 1;
	header.export.streams[0].hash = JSON.parse(lines.at(-3)!).hash;
	header.export.exportedAtMs += 3_600_000;
	end.end.events -= 1;
	writeFileSync(file('trail.jsonl'), [JSON.stringify(header), ...lines.slice(1, -2), JSON.stringify(end), ''].join('\n'));
	t.match(await verify('--key', file('key.pem')), { code: 0 }, 'alone, it looks whole');
	t.match(await verify('--key', file('key.pem'), '--checkpoints', file('checkpoints.jsonl')), {
		code: 1,
		stdout: `broken  stream ${stream}, event ${sequence}: missing: the tail is cut off`,
	});

	t.match(await verify('--key', file('trail.jsonl')), { code: 2, stderr: /trail\.jsonl: holds no public key/ });
	t.match(await verify('--checkpoints', file('nonesuch')), { code: 2, stderr: /nonesuch: can't be read \(ENOENT\)/ });
	t.match(await cli(t, ['audit', 'verify', '--export', folder]), { code: 2, stderr: /can't be read \(EISDIR\)/ });
	appendFileSync(file('key.pem'), 'x');
	t.match(await cli(t, ['audit', 'verify', '--export', file('key.pem')]), { code: 2, stderr: /line 1: expected the header of an export/ });
});

t.test('[audit.recheck] a recorded decision is decided again under its own bundle, and only under that', async (t) => {
	const policy = await policyVariant(t);
	const gateway = await build(t, { config: { policy: { bundle: policy.bundle } } });
	const agent = await openAgent(gateway.mcpUrl);
	await agent.call('list_recent_charges');
	await agent.call('delete_customer', { customer: 'cus_1' });
	await agent.call('send_lark_message', { channel: 'support', text: 'my number is 123-45-6789' });
	const decisionOf = async (tool: string) =>
		(await gateway.events(`&tool=${tool}`)).find(({ decisionId, input }) => decisionId !== undefined && input !== undefined)!.decisionId!;
	const recheck = async (tool: string, ...more: string[]) =>
		cli(t, ['audit', 'recheck', await decisionOf(tool), ...more, ...live(gateway)]);
	t.match(await recheck('list_recent_charges'), { code: 0, stdout: /^same {2}allow/ });
	t.match(await recheck('delete_customer'), { code: 0, stdout: /^same {2}deny by / });
	t.match((await recheck('send_lark_message', '--json')).stdout, /"kind": "same"/, 'no rule reads what was masked');
	t.match(await cli(t, ['audit', 'recheck', 'nonesuch', ...live(gateway)]), { code: 1, stderr: /no decision nonesuch/ });

	const first = join(aFolder(t), 'first.tar.gz');
	writeFileSync(first, readFileSync(policy.bundle));
	await policy.change('rules/payments/payments.rego', 'default refund_ttl_seconds := 900', 'default refund_ttl_seconds := 1');
	await gateway.api('POST', '/api/policy/reload', {});
	t.match(await recheck('delete_customer'), { code: 2, stdout: /not at hand[\s\S]*--bundle/ });
	t.match(await recheck('delete_customer', '--bundle', first), { code: 0, stdout: /^same {2}deny/ });
	t.match(await recheck('delete_customer', '--bundle', policy.bundle.replace('bundle.tar', 'nonesuch')), {
		code: 2,
		stderr: /can't be read \(ENOENT\)/,
	});
});

t.test('[budgets.commands] budgets are listed, shown over time and reset, and a reset is recorded', async (t) => {
	const gateway = await build(t);
	const agent = await openAgent(gateway.mcpUrl);
	for (let n = 0; n < 6; n++) await agent.call('list_recent_charges', {}, { 'x-mcp-turn-id': 't1' });
	t.equal((await agent.call('list_recent_charges', {}, { 'x-mcp-turn-id': 't1' })).word, 'budgetExceeded');
	const budgets = (command: string, ...more: string[]) => cli(t, ['budgets', command, ...more, ...live(gateway)]);
	const listed = JSON.parse((await budgets('list', '--json')).stdout) as { id: string; rule: string; used: number; limit: number }[];
	const full = listed.find(({ used, limit }) => used === limit)!;
	t.match((await budgets('list')).stdout, new RegExp(`${full.id} +${full.rule} +${full.used} +${full.limit}`));
	t.match(await budgets('show', full.id), { code: 0, stdout: /used, 0 of it reserved; resets in[\s\S]*█/ });
	t.match(await budgets('reset', full.id), { code: 0, stdout: `reset  ${full.rule}: ${full.used} calls forgotten` });
	t.equal((await agent.call('list_recent_charges', {}, { 'x-mcp-turn-id': 't1' })).word, 'ok');
	t.match(await gateway.events('&kind=operator'), [
		{ principal: 'bob@example.com', rule: full.rule, detail: { act: 'budget reset', spent: full.used } },
	]);
	t.match(await budgets('reset', 'nonesuch'), { code: 1, stderr: /no open budget nonesuch/ });
	for (const path of ['/api/budgets/nonesuch', `/api/budgets/${full.rule}/history?nonsense=1`, `/api/budgets/${full.rule}/history?limit=x`])
		t.notOk((await gateway.api('GET', path)).status < 400, path);
});
