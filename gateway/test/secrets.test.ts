import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAgent, post } from './agent.ts';
import { build, type Built } from './build.ts';
import { canaries } from './canaries.ts';
import { json, rawMcpServer } from './raw-mcp-server.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { scriptedCommand } from './scripted-command.ts';
import { serve } from './served.ts';
import { eachStore, embeddedDataDir } from './stores.ts';
import { until } from './until.ts';

/** Every value of every table, as text. */
async function database({ sql }: Built): Promise<string> {
	const tables = await sql.query<{ name: string }>(
		`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
		[],
	);
	let all = '';
	for (const { name } of tables) {
		const [row] = await sql.query<{ all: string | null }>(`SELECT string_agg(x::text, E'\\n') AS all FROM ${name} x`, []);
		all += `${name}: ${row!.all ?? ''}\n`;
	}
	return all;
}

t.test('[audit.secrets] a secret in arguments, headers, reasons, results and errors is in no table, on no card, in no news', (t) =>
	eachStore(t, async (t, store) => {
		const gateway = await build(t, { database: store, lark: 'ignore' });
		const everything = Object.values(canaries)
			.map(({ text }) => text)
			.join(' ; ');
		const turn = { 'x-mcp-turn-id': canaries['github']!.text };
		const agent = await openAgent(gateway.mcpUrl, { 'x-toolgate-agent-version': canaries['aws']!.text });
		const said = { channel: 'support', text: everything };
		t.equal((await agent.call('send_lark_message', said, turn)).word, 'ok');
		t.equal(
			gateway.payments.messages.at(-1)?.text.includes(canaries['stripe']!.text),
			true,
			'what goes upstream is what the policy lets go',
		);
		await agent.call('list_recent_charges', { limit: everything });
		await agent.call(`no_such_tool ${canaries['stripe']!.text}`);
		await agent.call('delete_customer', { customer: canaries['npm']!.text });
		const held = agent.call('create_refund', { charge: canaries['stripe']!.text, amount: 4_200 }, turn);
		const [message] = await until('a card', async () => {
			const messages = await gateway.lark.messages();
			return messages.length > 0 && messages;
		});
		const { json: listed } = await gateway.api<{ approvals: { id: string }[] }>('GET', '/api/approvals');
		await gateway.api('POST', `/api/approvals/${listed.approvals[0]!.id}/reject`, { reason: `because of ${canaries['slack']!.text}` });
		t.equal((await held).word, 'rejected');
		await gateway.api('POST', '/api/budgets/x/reset').catch(() => undefined);

		const seen = {
			database: await database(gateway),
			card: JSON.stringify([message, await gateway.lark.messages()]),
			api: JSON.stringify([await gateway.events(), listed]),
			news: gateway.news.join('\n'),
		};
		for (const [where, text] of Object.entries(seen)) {
			for (const [name, { text: whole, secret = whole }] of Object.entries(canaries)) {
				t.notOk(text.includes(secret) || text.includes(JSON.stringify(secret).slice(1, -1)), `${name} in the ${where}`);
			}
		}
		t.match(seen.database, /hmac-sha256:/);
		t.match((await gateway.api('GET', '/api/audit/verify')).json, { isIntact: true });
	}),
);

t.test('[audit.secrets] a secret in an error of the upstream, or in why it can not be reached, is not recorded', async (t) => {
	const secret = canaries['url']!;
	const upstream = await rawMcpServer(t, {
		'tools/list': ({ message }, response) =>
			json(response, 200, {
				jsonrpc: '2.0',
				id: message['id']!,
				result: { tools: [{ name: 'list_recent_charges', inputSchema: { type: 'object' } }] },
			}),
		'tools/call': (_, response) => response.writeHead(500, secret.secret, { 'content-type': 'text/plain' }).end(secret.text),
	});
	const gateway = await build(t, { upstreams: { stripe: { url: upstream.url } } });
	const agent = await openAgent(gateway.mcpUrl);
	t.not((await agent.call('list_recent_charges')).word, 'ok');
	t.notMatch(await database(gateway), secret.secret!);
});

t.test('attack 22: no secret is in the log or in a byte of the data folder, whoever says it and wherever', async (t) => {
	const everything = Object.values(canaries)
		.map(({ text }) => text)
		.join(' ; ');
	const oneLine = everything.replaceAll('\n', ' ');
	const tools = { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] };
	const failing = await rawMcpServer(t, {
		'tools/list': ({ message }, response) => json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: tools }),
		'tools/call': ({ message }, response) =>
			json(response, 200, {
				jsonrpc: '2.0',
				id: message['id']!,
				error: { code: -32603, message: everything, data: { stack: everything } },
			}),
	});
	const dataDir = await embeddedDataDir(t);
	const gateway = await serve(t, {
		dataDir,
		log: { level: 'debug' },
		policy: { bundle: await rulesBundle(t, ALLOW_ALL) },
		upstreams: {
			failing: { url: `${failing.url}?token=canary22canary`, headers: { authorization: canaries['bearer']!.text } },
			talking: scriptedCommand(
				`'tools/list': ({ id }) => say({ id, result: ${JSON.stringify(tools)} }), 'tools/call': () => { throw new Error(said); }`,
				`const said = ${JSON.stringify(oneLine)}; console.error(said);`,
			),
			away: { url: 'http://127.0.0.1:1/mcp?token=canary22canary' },
		},
	});
	const agent = await until('both upstreams', async () => {
		const one = await openAgent(gateway.mcpUrl).catch(() => undefined);
		return (await one?.list().catch(() => []))?.length === 2 && one;
	});
	const said = { text: everything, [everything]: everything };
	t.equal((await agent.call('failing__echo', said, { 'x-mcp-turn-id': canaries['github']!.text })).word, 'error -32603');
	t.equal((await agent.call('talking__echo', said)).word, 'outcome_unknown');
	await agent.call(everything, said);
	await post(gateway.mcpUrl, `{${everything}`, { 'mcp-session-id': agent.sessionId });
	await post(`${gateway.mcpUrl}/${encodeURIComponent(canaries['stripe']!.text)}`, '{}', { authorization: canaries['bearer']!.text });
	await until('what the process has said', () => gateway.said().includes('talking says'));
	t.match((await gateway.end('SIGTERM')).code, 0);

	const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
	const seen = {
		log: gateway.said(),
		'data folder': files.map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1')).join('\n'),
	};
	t.match(seen['data folder'], /hmac-sha256:/, 'the folder holds what was recorded');
	for (const [where, text] of Object.entries(seen)) {
		for (const [name, { text: whole, secret = whole }] of Object.entries(canaries))
			t.notOk(text.includes(secret) || text.includes(JSON.stringify(secret).slice(1, -1)), `${name} in the ${where}`);
	}
});
