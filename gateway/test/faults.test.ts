import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import t, { type Test } from 'tap';
import type { ApprovalView } from '../src/approvals/approval.ts';
import type { RecordedEvent } from '../src/audit/trail.ts';
import { openAgent, post } from './agent.ts';
import { build, OPERATOR_TOKEN, tracesOf } from './build.ts';
import { cli } from './cli.ts';
import { hangingUpstream } from './hanging-upstream.ts';
import { payments } from './payments.ts';
import { startPostgres } from './postgres.ts';
import { serve, serveAgain } from './served.ts';
import { eachStore, embeddedDataDir } from './stores.ts';
import { until } from './until.ts';

/** What is down, dies or hangs, and what the agent and the trail see of it. Faults are real: processes are killed, servers stopped. */

const CHARGE = { charge: 'ch_alice_1' };
const REFUND = { charge: 'ch_alice_4', amount: 4_200 };

t.test(
	'[faults.upstream] an upstream that is down is upstream_error; one that dies in the middle of a call is outcome_unknown; neither is tried again',
	async (t) => {
		const upstream = await hangingUpstream(t);
		const gateway = await build(t, { upstreams: { stripe: { url: upstream.url } } });
		const agent = await openAgent(gateway.mcpUrl);
		const broken = agent.call('get_charge', CHARGE);
		await until('the call', () => upstream.calls() === 1);
		await upstream.kill();
		const end = await broken;
		t.equal(end.word, 'outcome_unknown', end.text);
		t.match(end.text, /may have run: check before you repeat it/);

		const down = await agent.call('get_charge', CHARGE);
		t.equal(down.word, 'upstream_error', down.text);
		t.match(down.text, /was not sent; it may be tried again/);
		await upstream.revive();
		upstream.release();
		await until(
			'an answer again',
			async () => (await agent.call('get_charge', CHARGE, { 'x-mcp-turn-id': crypto.randomUUID() })).word === 'ok',
		);
		t.equal(upstream.calls(), 2, 'the call that broke off was not sent again');
		t.same((await gateway.traces()).slice(0, 2), ['get_charge → allow → outcome_unknown', 'get_charge → allow → upstream_error']);
		t.same(gateway.faults, []);
	},
);

t.test(
	'[faults.approval-outcome] an approved call whose answer breaks off is not run again, until a person says what became of it',
	async (t) => {
		const upstream = await hangingUpstream(t);
		const gateway = await build(t, { upstreams: { stripe: { url: upstream.url } }, lark: 'approve' });
		const agent = await openAgent(gateway.mcpUrl);
		const broken = agent.call('create_refund', REFUND);
		await until('the call', () => upstream.calls() === 1);
		await upstream.kill();
		t.equal((await broken).word, 'outcome_unknown');
		await upstream.revive();
		upstream.release();
		t.match(await agent.call('create_refund', REFUND), { word: 'outcome_unknown', text: /A person has to look/ });
		t.equal(upstream.calls(), 1);
		const [{ id }] = (await gateway.api<{ approvals: [ApprovalView] }>('GET', '/api/approvals')).json.approvals;
		const said = await cli(t, ['approvals', 'resolve', id, '--did-not-run', '--config', gateway.configFile, '--url', gateway.peopleUrl]);
		t.equal(said.code, 0, said.stderr);
		t.equal((await gateway.api('GET', `/api/approvals/${id}`)).json['state'], 'done');
		const again = await until('the upstream', async () => {
			const end = await agent.call('create_refund', REFUND);
			return end.word === 'ok' && end;
		});
		t.equal(again.text, 'done', 'a new call, with an approval of its own');
		t.equal(upstream.calls(), 2);
	},
);

t.test('[approvals.lost-answer] an answer that is lost on the way to the agent comes again, and the call is not run again', async (t) => {
	const upstream = await hangingUpstream(t);
	const gateway = await build(t, { upstreams: { stripe: { url: upstream.url } }, lark: 'approve' });
	const lost = new AbortController();
	const agent = await openAgent(gateway.mcpUrl);
	const cut = fetch(gateway.mcpUrl, {
		method: 'POST',
		signal: lost.signal,
		headers: { 'content-type': 'application/json', 'mcp-session-id': agent.sessionId },
		body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'create_refund', arguments: REFUND } }),
	});
	await until('the call', () => upstream.calls() === 1);
	lost.abort();
	await t.rejects(cut);
	// One that comes while the other is under way waits for its answer.
	const beside = agent.call('create_refund', REFUND);
	await until('both to be asked for', async () => (await gateway.events('&kind=decision')).length === 2);
	upstream.release();
	for (const end of [await beside, await agent.call('create_refund', REFUND)]) t.match(end, { word: 'replayed', text: 'done' });
	t.equal(upstream.calls(), 1);
	t.same(await gateway.traces(), [
		'create_refund → approvalRequired → approved → ok',
		'create_refund → approvalRequired → replayed',
		'create_refund → approvalRequired → replayed',
	]);
});

t.test(
	'[capabilities.cache] with the upstream down, also after a restart, its last good list is served and calls say that they were not sent',
	async (t) =>
		eachStore(t, async (t, database) => {
			const upstream = await payments(t);
			const first = await build(t, { database, payments: upstream });
			const before = await openAgent(first.mcpUrl);
			const listed = await before.list();
			await first.close();
			await upstream.kill();

			const second = await build(t, { database, payments: upstream });
			const agent = await openAgent(second.mcpUrl);
			t.same(agent.initialized['result'], before.initialized['result'], 'initialize is answered from the store');
			t.same(await agent.list(), listed);
			t.equal((await agent.call('list_recent_charges', {})).word, 'upstream_error');
			t.same(await second.traces('&tool=list_recent_charges'), ['list_recent_charges → allow → upstream_error']);
			t.match(
				await (await fetch(`${second.peopleUrl}/readyz`)).json(),
				{ isReady: true },
				'an upstream that is down is no reason to take the gateway out',
			);
			t.match(await (await fetch(`${second.peopleUrl}/readyz`)).text(), /cached: 6 tools/);

			await upstream.revive();
			const end = await until('the upstream again', async () => {
				const one = await agent.call('get_charge', CHARGE, { 'x-mcp-turn-id': crypto.randomUUID() });
				return one.word === 'ok' && one;
			});
			t.match(end.message, { result: { structuredContent: { charge: { id: 'ch_alice_1' } } } });
		}),
);

t.test('[capabilities.never-seen] an upstream that was never seen is named as such, and serves as soon as it is there', async (t) => {
	const upstream = await payments(t);
	await upstream.kill();
	const gateway = await build(t, { payments: upstream });
	const opened = await post(gateway.mcpUrl, {
		jsonrpc: '2.0',
		id: 1,
		method: 'initialize',
		params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
	});
	t.equal(opened.status, 200);
	t.match(JSON.parse(opened.text), { error: { code: -32603, message: /stripe/ } });
	await upstream.revive();
	const agent = await until('a session', () => openAgent(gateway.mcpUrl).catch(() => undefined));
	t.equal((await agent.call('get_charge', CHARGE)).word, 'ok');
});

t.test(
	'[admission.kill-9] a gateway that is killed between intent and outcome leaves outcome_unknown, and the approval is not used again',
	async (t) => {
		const postgres = await startPostgres();
		t.teardown(() => postgres.stop());
		// Both at once, because a lease has to run out.
		await Promise.all(
			[
				['embedded', { dataDir: await embeddedDataDir(t) }],
				['PostgreSQL', { dataDir: mkdtempSync(join(tmpdir(), 'toolgate-')), store: { dsn: postgres.dsn } }],
			].map(([name, config]) => killed(t, name as string, config as object)),
		);
	},
);

async function killed(t: Test, name: string, config: object): Promise<void> {
	const upstream = await hangingUpstream(t);
	const first = await serve(t, { ...config, upstreams: { stripe: { url: upstream.url } } });
	const agent = await openAgent(first.mcpUrl);
	const held = agent.call('create_refund', REFUND).catch(() => undefined);
	const { id } = await until('an approval', async () => (await first.get<{ approvals: ApprovalView[] }>('/api/approvals')).approvals[0]);
	await fetch(`${first.peopleUrl}/api/approvals/${id}/approve`, { method: 'POST', headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } });
	await until('the call at the upstream', () => upstream.calls() === 1);
	await first.end('SIGKILL');
	await held;
	upstream.release();

	const second = await serveAgain(t, first);
	const [trace] = await until(
		'the recovery',
		async () => {
			const traces = tracesOf((await second.get<{ events: RecordedEvent[] }>('/api/audit?limit=100')).events.reverse());
			return traces[0]!.endsWith('outcome_unknown') && traces;
		},
		60_000,
	);
	t.equal(trace, 'create_refund → approvalRequired → approved → outcome_unknown', name);
	t.match(await second.get('/api/audit/verify'), { isIntact: true }, name);
	const again = await (await openAgent(second.mcpUrl)).call('create_refund', REFUND);
	t.equal(again.word, 'outcome_unknown', `${name}: ${again.text}`);
	t.equal(upstream.calls(), 1, name);
	t.match(await second.end('SIGTERM'), { code: 0 }, name);
}

t.test(
	'[store.down] a database that is down at start or goes away later: 503 or audit_unavailable, nothing reaches the upstream, and it recovers by itself',
	async (t) => {
		const postgres = await startPostgres();
		t.teardown(() => postgres.stop());
		await postgres.stop();
		const upstream = await payments(t);
		const gateway = await serve(t, {
			dataDir: mkdtempSync(join(tmpdir(), 'toolgate-')),
			store: { dsn: postgres.dsn },
			upstreams: { stripe: { url: upstream.url } },
		});
		const notReady = await gateway.ready();
		t.equal(notReady.status, 503);
		t.match(notReady.text, /"part":"store".*the store can not be opened: PostgreSQL at socket/);
		t.match(gateway.said(), /the store can not be opened/);
		t.match(await post(gateway.mcpUrl, { jsonrpc: '2.0', id: 1, method: 'ping' }), { status: 503, text: /not ready/ });

		await postgres.restart();
		const agent = await until('an agent', () => openAgent(gateway.mcpUrl).catch(() => undefined));
		const call = () => agent.call('get_charge', CHARGE, { 'x-mcp-turn-id': crypto.randomUUID() });
		await until('a first call', async () => (await call()).word === 'ok');
		t.equal((await gateway.ready()).status, 200);

		await postgres.stop();
		const received = upstream.received('get_charge').length;
		const refused = await call();
		t.equal(refused.word, 'audit_unavailable', refused.text);
		t.match(refused.text, /could not be recorded, so it was not run. Try again/);
		t.equal(upstream.received('get_charge').length, received, 'no record, no call');
		await postgres.restart();
		const backAt = performance.now();
		await until('a call again', async () => (await call()).word === 'ok');
		t.ok(performance.now() - backAt < 5_000, 'within five seconds');
		await until(
			'the gap in the trail',
			async () => (await gateway.get<{ events: RecordedEvent[] }>('/api/audit?kind=gap')).events.length > 0,
		);
		t.match(await gateway.get('/api/audit/verify'), { isIntact: true });
		t.notMatch(gateway.said(), /unexpected|\.ts:\d+/, "a store that is away is expected, and its stack trace is nobody's");
	},
);
