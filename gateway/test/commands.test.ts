import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openAgent, post } from './agent.ts';
import { build, type Built } from './build.ts';
import { cli, startCli } from './cli.ts';
import { everyRow } from './every-row.ts';
import { routesOf } from './routes-of.ts';
import { eachStore } from './stores.ts';
import { until } from './until.ts';

/** What operators type, as processes of their own against a gateway that runs. */

const folder = (t: Test): string => {
	const made = mkdtempSync(join(tmpdir(), 'toolgate-folder-'));
	t.teardown(() => rmSync(made, { recursive: true, force: true }));
	return made;
};

const INITIALIZE = {
	jsonrpc: '2.0',
	id: 1,
	method: 'initialize',
	params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
};

const operator = (t: Test, gateway: Built, ...args: string[]) =>
	cli(t, [...args, '--config', gateway.configFile, '--url', gateway.peopleUrl]);

t.test('[config.errors] a wrong configuration is one line with file, line, key and what was expected, and exit code 2', async (t) => {
	const cwd = folder(t);
	const cases = [
		[
			'unknown-key.yaml',
			'log:\n  level: info\nupstream:\n  a: { url: http://127.0.0.1:1/mcp }\n',
			/^toolgate: unknown-key\.yaml:3: upstream: unknown key, did you mean upstreams\?\n$/,
		],
		['wrong-type.yaml', 'limits:\n  jsonDepth: deep\n', /^toolgate: wrong-type\.yaml:2: limits\.jsonDepth: expected a whole number.*\n$/],
		['broken.yaml', 'limits: {\n', /^toolgate: broken\.yaml:\d: .+\n$/],
		['missing.yaml', undefined, /^toolgate: missing\.yaml: no such file; expected a ToolGate configuration in YAML\n$/],
		['no-url.yaml', 'upstreams:\n  a: {}\n', /^toolgate: no-url\.yaml:2: upstreams\.a: .*\burl\b.*\n$/],
	] as const;
	await Promise.all(
		cases.map(async ([file, text, says]) => {
			if (text !== undefined) writeFileSync(join(cwd, file), text);
			t.match(await cli(t, ['config', 'check', file], { cwd }), { code: 2, stdout: '', stderr: says });
		}),
	);
	const [file, , says] = cases[0];
	t.match(await cli(t, ['serve', '--config', file], { cwd }), { code: 2, stdout: '', stderr: says }, 'and so for the gateway itself');
});

t.test('[auth.tokens] under auth.mode token only a token speaks for a principal; made, listed and revoked by command', async (t) => {
	const gateway = await build(t, { config: { auth: { mode: 'token' } } });
	t.equal((await post(gateway.mcpUrl, INITIALIZE)).status, 401);
	t.equal(
		(await post(gateway.mcpUrl, INITIALIZE, { 'x-toolgate-principal': 'alice@example.com' })).status,
		401,
		'a header proves nothing here',
	);

	const created = await operator(t, gateway, 'tokens', 'create', '--principal', 'alice@example.com', '--agent', 'billing');
	const [, token] = /^(tg_\w+)\n/.exec(created.stdout) ?? [];
	t.ok(token, created.stdout + created.stderr);
	const headers = { authorization: `Bearer ${token}` };
	const agent = await openAgent(gateway.mcpUrl, { ...headers, 'x-toolgate-principal': 'bob@example.com' });
	t.equal((await agent.call('get_charge', { charge: 'ch_alice_1' })).word, 'ok');
	t.match((await gateway.events('&kind=intent'))[0], { principal: 'alice@example.com', agent: 'billing' });

	const listed = await operator(t, gateway, 'tokens', 'list');
	const [, id] = /^([0-9a-f-]{36}) +billing for alice@example.com .*valid/m.exec(listed.stdout) ?? [];
	t.ok(id, listed.stdout);
	t.notMatch(listed.stdout, token!, 'its text is shown once only');
	t.match(await operator(t, gateway, 'tokens', 'revoke', id!), { code: 0, stdout: /revoked {2}billing/ });
	await until('the refusal', async () => (await post(gateway.mcpUrl, INITIALIZE, headers)).status === 401, 3_000);
	t.match(await operator(t, gateway, 'tokens', 'revoke', 'nothing'), { code: 1, stderr: /no token nothing/ });
	t.same(
		(await gateway.events('&kind=operator')).map(({ message }) => message?.split(':')[0]),
		['token created', 'token revoked', 'token revoked'],
	);
});

t.test('[auth.hashed] of a token the store keeps nothing but a hash', async (t) =>
	eachStore(t, async (t, database) => {
		const gateway = await build(t, { database, config: { auth: { mode: 'token' } } });
		const { token } = (await gateway.api<{ token: string }>('POST', '/api/tokens', { principal: 'alice@example.com' })).json;
		const agent = await openAgent(gateway.mcpUrl, { authorization: `Bearer ${token}` });
		t.equal((await agent.call('get_charge', { charge: 'ch_alice_1' })).word, 'ok');
		t.notMatch(await everyRow(gateway.sql), token);
		t.notMatch(gateway.payments.requests.map(({ headers }) => JSON.stringify(headers)).join(), token, 'nor does the upstream ever see it');
	}),
);

t.test("[http.operator-token] every route under /api demands the operator, and an agent's token is none", async (t) => {
	const gateway = await build(t, { config: { auth: { mode: 'token' } } });
	const { token } = (await gateway.api<{ token: string }>('POST', '/api/tokens', { principal: 'bob@example.com' })).json;
	const routes = routesOf(gateway.gateway.people).filter(({ path }) => path.startsWith('/api'));
	for (const known of [
		'GET /api/approvals',
		'POST /api/approvals/x/approve',
		'GET /api/audit/tail',
		'DELETE /api/tokens/x',
		'POST /api/tools/x/x/accept',
		'POST /api/policy/reload',
	]) {
		t.ok(
			routes.some(({ method, path }) => `${method} ${path}` === known),
			`${known} is among the routes found`,
		);
	}
	for (const { method, path } of routes) {
		for (const authorization of [undefined, 'Bearer ', 'Bearer tgo_wrong', `Bearer ${token}`, 'Basic Og==']) {
			const response = await fetch(gateway.peopleUrl + path, { method, headers: authorization === undefined ? {} : { authorization } });
			t.equal(response.status, 401, `${method} ${path} with ${authorization?.slice(0, 12)}`);
			await response.body?.cancel();
		}
	}
	const agentRoutes = routesOf(gateway.gateway.agents);
	t.same(
		[...new Set(agentRoutes.map(({ path }) => path))].sort(),
		['/healthz', '/mcp', '/mcp/x'],
		'nothing to approve with, on the listener of agents',
	);
});

t.test('[capabilities.nothing-visible] who sees no tool is told so, with the rule that would grant one', async (t) => {
	const gateway = await build(t, { config: { auth: { mode: 'none', default: { principal: 'nobody@example.com', agent: 'x' } } } });
	t.same(await (await openAgent(gateway.mcpUrl)).list(), []);
	const hint =
		/0 of 6 tools of stripe visible to nobody@example\.com: no access rule.*\n {4}access contains "why" if \{\n {8}input\.server\.name == "stripe"/;
	const { parts } = (await (await fetch(`${gateway.peopleUrl}/readyz`)).json()) as { parts: { part: string; says: string }[] };
	t.match(parts.find(({ part }) => part === 'visibility')?.says, hint);
	t.match((await operator(t, gateway, 'tools', 'list', '--as', 'nobody@example.com')).stdout, hint);
	const alice = (await operator(t, gateway, 'tools', 'list', '--as', 'alice@example.com')).stdout;
	t.notMatch(alice, /0 of/);
	t.match(alice, /stripe +create_refund +pinned .* yes\n/);
	t.match(alice, /stripe +list_payouts +pinned .* no\n/);
});

t.test('[audit.commands] tail shows events live, one readable line each; search, show and verify answer from the same trail', async (t) => {
	const gateway = await build(t);
	const tail = startCli(t, [
		'audit',
		'tail',
		'--config',
		gateway.configFile,
		'--url',
		gateway.peopleUrl,
		'--tool',
		'delete_customer',
		'-n',
		'0',
	]);
	const agent = await openAgent(gateway.mcpUrl);
	// It is not known from outside when the tail has begun.
	const line = await until(
		'a line of the tail',
		async () => {
			await agent.call('delete_customer', { customer: 'cus_alice' });
			return tail.said().includes('\n') && tail.said().split('\n')[0];
		},
		15_000,
	);
	t.match(line, /^\d\d:\d\d:\d\d {2}delete_customer +deny +alice@example\.com \/ agent {2}payments\.delete: .* call [0-9a-f]{8}$/);
	tail.process.kill('SIGINT');
	t.match(await tail.end, { code: 0, stderr: '' });

	const [search, verify] = await Promise.all([
		operator(t, gateway, 'audit', 'search', '--decision', 'deny', '--limit', '1', '--json'),
		operator(t, gateway, 'audit', 'verify'),
	]);
	const [{ callId }] = (JSON.parse(search.stdout) as { events: [{ callId: string }] }).events;
	t.match(verify, { code: 0, stdout: /^intact {2}\d+ events in \d+ streams?[\s\S]*the embedded database/ });
	t.match(await operator(t, gateway, 'audit', 'show', callId), { code: 0, stdout: /^delete_customer → deny\n/ });

	await gateway.sql.query("UPDATE events SET body = replace(body, 'cus_alice', 'cus_carol') WHERE call_id = $1", [callId]);
	t.match(await operator(t, gateway, 'audit', 'verify'), { code: 1, stdout: /^broken {2}/ }, 'an edited record is found');
});
