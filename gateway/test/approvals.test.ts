import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ApprovalView } from '../src/approvals/approval.ts';
import { openAgent, post } from './agent.ts';
import { build, type Built } from './build.ts';
import { cli } from './cli.ts';
import { mockLark } from './mock-lark.ts';
import { payments } from './payments.ts';
import { policyVariant } from './policy-variant.ts';
import { serve } from './served.ts';
import { eachStore, embedded, embeddedDataDir } from './stores.ts';
import { until } from './until.ts';

/** A refund that waits for a person, from the agent's call to the money. */

const REFUND = { charge: 'ch_alice_4', amount: 4_200 };

const open = async ({ api }: Built): Promise<ApprovalView[]> =>
	(await api<{ approvals: ApprovalView[] }>('GET', '/api/approvals')).json.approvals;
/** The one approval that waits. */
const waiting = (gateway: Built): Promise<ApprovalView> =>
	until('an approval', async () => (await open(gateway)).find(({ state }) => state === 'pending'));

const command = (t: Test, gateway: Built, ...args: string[]) =>
	cli(t, ['approvals', ...args, '--config', gateway.configFile, '--url', gateway.peopleUrl]);

t.test('[approvals.once] an approval lets the held call go on; it runs once, and its result comes again for an identical call', async (t) =>
	eachStore(t, async (t, database) => {
		const gateway = await build(t, { database });
		const agent = await openAgent(gateway.mcpUrl);
		const held = agent.call('create_refund', REFUND);
		const { id } = await waiting(gateway);
		t.same(gateway.payments.received('create_refund'), [], 'nothing runs before somebody agrees');
		t.match(await gateway.api('POST', `/api/approvals/${id}/approve`), { status: 200, json: { state: 'approved' } });
		t.equal((await held).word, 'ok');
		t.match(await gateway.payments.ledger(), { refunds: 1, refundedCents: 4_200 });

		const again = await agent.call('create_refund', REFUND);
		t.equal(again.word, 'replayed', again.text);
		t.match(await gateway.payments.ledger(), { refunds: 1 });
		t.same(await gateway.traces('&tool=create_refund'), [
			'create_refund → approvalRequired → approved → ok',
			'create_refund → approvalRequired → replayed',
		]);
		t.match((await gateway.api('GET', '/api/audit/verify')).json, { isIntact: true });
		t.same(gateway.faults, []);
	}),
);

t.test('[approvals.cli] approvals are listed, approved and rejected by the command line, and the agent reads the reason', async (t) => {
	const gateway = await build(t);
	const agent = await openAgent(gateway.mcpUrl);
	const first = agent.call('create_refund', REFUND);
	const { id } = await waiting(gateway);
	const listed = await command(t, gateway, 'list');
	t.match(listed.stdout, id, 'the list shows what can be pasted');
	t.match(listed.stdout, /stripe create_refund .*"amount":4200.*\n.*for alice@example.com by agent[\s\S]*a refund moves money/);
	const approved = await command(t, gateway, 'approve', id);
	t.match(approved, { code: 0, stdout: /approved {2}create_refund for alice@example.com/ }, approved.stderr);
	t.equal((await first).word, 'ok');

	const second = agent.call('create_refund', { ...REFUND, amount: 1 });
	const rejected = await command(t, gateway, 'reject', (await waiting(gateway)).id, '--reason', 'the customer kept it');
	t.match(rejected, { code: 0, stdout: /rejected {2}create_refund/ });
	const end = await second;
	t.match(end, { word: 'rejected', text: /bob@example.com rejected this call: the customer kept it\. Nothing was run/ });
	t.match(await gateway.payments.ledger(), { refunds: 1, refundedCents: 4_200 });
	t.same(await gateway.traces(), ['create_refund → approvalRequired → approved → ok', 'create_refund → approvalRequired → rejected']);

	t.match(await gateway.api('GET', '/api/approvals?state=pending'), { status: 200, json: { approvals: [] } });
	t.match(await gateway.api('GET', '/api/approvals?state=bogus'), {
		status: 400,
		json: { error: { code: 'BAD_INPUT', message: 'state: expected one of open, pending, all' } },
	});
	t.match(await command(t, gateway, 'approve', id), { code: 1, stderr: /toolgate: the approval is done already \(bob@example.com\)/ });
	t.match(await command(t, gateway, 'approve', 'nothing'), { code: 1, stderr: /no approval nothing/ });
});

for (const [answer, refunds] of [
	['approve', 1],
	['reject', 0],
] as const) {
	t.test(`[approvals.lark] a person in Lark can ${answer}: the card is sent, the signed callback decides, the card ends`, async (t) => {
		const gateway = await build(t, { lark: answer });
		const agent = await openAgent(gateway.mcpUrl);
		const end = await agent.call('create_refund', REFUND);
		t.equal(end.word, answer === 'approve' ? 'ok' : 'rejected', end.text);
		t.match(await gateway.payments.ledger(), { refunds });
		const [message] = await until('the last card', async () => {
			const messages = await gateway.lark.messages();
			return (messages[0]?.callbacks.length ?? 0) > 0 && messages;
		});
		t.match(message, { chatId: 'oc_test', type: 'interactive', callbacks: [{ status: 200, response: { toast: { type: 'success' } } }] });
		t.match(JSON.stringify(message!.earlierCards[0]), /create_refund/);
		t.notMatch(JSON.stringify(message!.card), /"button"/, 'nothing can be pressed any more');
		t.same(await gateway.traces(), [`create_refund → approvalRequired → ${answer === 'approve' ? 'approved → ok' : 'rejected'}`]);
	});
}

t.test('[approvals.lark-restart] a card ends wherever its approval is decided, also after the gateway that sent it is gone', async (t) => {
	const database = embedded(t);
	const config = { approvals: { holdSeconds: 1 } };
	const first = await build(t, { database, config, lark: 'ignore' });
	const { lark, payments } = first;
	t.equal((await (await openAgent(first.mcpUrl)).call('create_refund', REFUND)).word, 'approval_pending');
	await until('the card', async () => (await lark.messages()).length === 1);
	await first.close();

	const second = await build(t, { database, config, payments, lark });
	const { id } = await waiting(second);
	await second.api('POST', `/api/approvals/${id}/reject`, { reason: 'not today' });
	const card = await until('the end on the card', async () => {
		const text = JSON.stringify((await lark.messages())[0]!.card);
		return !text.includes('"button"') && text;
	});
	t.match(card, /Rejected.*bob@example\.com.*not today/s);

	// Whoever presses a button that is still on somebody's screen is told what became of it.
	for (const [approval, says] of [
		[id, /the approval is rejected already \(bob@example\.com\)/],
		['nonesuch', /no approval nonesuch/],
	] as const) {
		const { body, headers } = lark.click({ value: { toolgate: { approval, decision: 'approve' } } });
		t.match(JSON.parse((await post(lark.callbackUrl, body, headers)).text), { toast: { type: 'error', content: says } });
	}
	t.match(
		(await second.events('&kind=approval')).slice(-2).map(({ detail }) => detail?.['refused']),
		[/rejected already/, /no approval nonesuch/],
	);
	t.match(await payments.ledger(), { refunds: 0 });
});

t.test('[approvals.lark-faults] a Lark that is slow, repeats itself, comes too late or is down neither blocks nor grants', async (t) => {
	const policy = await policyVariant(t);
	const gateway = await build(t, { lark: 'approve', config: { policy: { bundle: policy.bundle } } });
	const { lark, payments } = gateway;
	const agent = await openAgent(gateway.mcpUrl);
	await lark.fail({ slowMs: 300, copies: 3 });
	t.equal((await agent.call('create_refund', REFUND)).word, 'ok');
	const callbacks = await until('all callbacks', async () => {
		const [message] = await lark.messages();
		return message?.callbacks.length === 3 && message.callbacks;
	});
	t.same(
		callbacks.map(({ status }) => status),
		[200, 401, 401],
	);
	t.match(
		(await gateway.events('&kind=approval')).map(({ message }) => message),
		[undefined, /repeated/, /repeated/],
	);
	t.match(await payments.ledger(), { refunds: 1 });

	await lark.fail({ down: true });
	const other = { charge: 'ch_alice_1', amount: 100 };
	const held = agent.call('create_refund', other);
	await gateway.api('POST', `/api/approvals/${(await waiting(gateway)).id}/approve`);
	t.equal((await held).word, 'ok', 'the inbox is there without it');

	await policy.change('rules/payments/payments.rego', 'default refund_ttl_seconds := 900', 'default refund_ttl_seconds := 1');
	await until('the new bundle', () => gateway.news.filter((text) => /is active/.test(text)).length === 2);
	await lark.fail({ lateMs: 2_500 });
	t.equal((await agent.call('create_refund', { ...other, amount: 50 })).word, 'expired');
	const late = await until('the late click', async () => (await lark.messages()).at(-1)?.callbacks[0]);
	t.match(late, { status: 200, response: { toast: { type: 'error', content: /the approval is expired already/ } } });
	t.match((await gateway.events('&kind=approval')).at(-1), { detail: { by: 'bob@example.com', refused: /expired/ } });
	t.match(await payments.ledger(), { refunds: 2 });
});

t.test(
	'[approvals.callback] a callback that is forged, stale, repeated or from the wrong person decides nothing, and each is in the trail',
	async (t) => {
		const gateway = await build(t, { lark: 'ignore' });
		const { lark } = gateway;
		const agent = await openAgent(gateway.mcpUrl);
		const held = agent.call('create_refund', REFUND);
		const { id } = await waiting(gateway);
		const value = { toolgate: { approval: id, decision: 'approve' } };
		const send = (callback: { body: string; headers: Record<string, string> }) => post(lark.callbackUrl, callback.body, callback.headers);

		const good = lark.click({ value });
		const forged = { ...good, headers: { ...good.headers, 'x-lark-signature': '0'.repeat(40) } };
		const unsigned = { body: good.body, headers: { 'content-type': 'application/json' } };
		const reserialised = { ...good, body: JSON.stringify(JSON.parse(good.body), undefined, 1) };
		const stale = { body: good.body, headers: { ...good.headers, ...lark.sign(good.body, Math.floor(Date.now() / 1000) - 301) } };
		for (const [what, callback] of Object.entries({ forged, unsigned, reserialised, stale }))
			t.equal((await send(callback)).status, 401, what);
		const said = async (callback: Parameters<typeof send>[0]) => JSON.parse((await send(callback)).text) as unknown;
		t.match(await said(lark.click({ value, operator: 'ou_nobody' })), { toast: { type: 'error', content: /does not know you/ } });
		t.match(await said(lark.click({ value, operator: 'ou_mallory' })), {
			toast: { type: 'error', content: /mallory@example.com is not among the approvers/ },
		});
		t.equal((await waiting(gateway)).id, id, 'still nobody has decided');

		const refused = (await gateway.events('&kind=approval')).map(({ message, detail }) => message ?? detail?.['refused']);
		t.match(refused, [
			/signature is wrong/,
			/signature headers are missing/,
			/signature is wrong/,
			/stale/,
			/ou_nobody is nobody/,
			/not among the approvers/,
		]);

		t.match(await said(good), { toast: { type: 'success', content: 'Approved' } });
		t.equal((await held).word, 'ok');
		t.equal((await send(good)).status, 401, 'the same callback again');
		t.match(await gateway.payments.ledger(), { refunds: 1 });
	},
);

t.test('[approvals.own] nobody approves a call of their own, whatever group they are in', async (t) => {
	const gateway = await build(t, { lark: 'approve' });
	const agent = await openAgent(gateway.mcpUrl, { 'x-toolgate-principal': 'bob@example.com' });
	const held = agent.call('create_refund', REFUND);
	const { id } = await waiting(gateway);
	const byOperator = await gateway.api('POST', `/api/approvals/${id}/approve`, {});
	t.match(byOperator, { status: 403, json: { error: { code: 'FORBIDDEN_APPROVER' } } });
	await until('the Lark click', async () => (await gateway.lark.messages())[0]?.callbacks[0] !== undefined);
	t.match((await gateway.lark.messages())[0]?.callbacks[0], {
		response: { toast: { type: 'error', content: /nobody decides about a call of their own/ } },
	});
	t.equal((await gateway.api('POST', `/api/approvals/${id}/withdraw`, {})).status, 200);
	t.equal((await held).word, 'withdrawn');
	t.match(await gateway.payments.ledger(), { refunds: 0 });
});

t.test(
	'[approvals.expiry] an approval that nobody decides expires after the time its rule gives, and can not be approved then',
	async (t) => {
		const policy = await policyVariant(t);
		await policy.change('rules/payments/payments.rego', 'default refund_ttl_seconds := 900', 'default refund_ttl_seconds := 1');
		await eachStore(t, async (t, database) => {
			const gateway = await build(t, { database, config: { policy: { bundle: policy.bundle } } });
			const agent = await openAgent(gateway.mcpUrl);
			const end = await agent.call('create_refund', REFUND);
			t.equal(end.word, 'expired', end.text);
			t.match(end.text, /Nobody approved this call in time: a refund moves money.*Nothing was run/);
			t.same(await gateway.traces(), ['create_refund → approvalRequired → expired']);
			const [approval] = (await gateway.api<{ approvals: ApprovalView[] }>('GET', '/api/approvals?state=all')).json.approvals;
			t.equal(approval!.state, 'expired');
			t.match(await gateway.api('POST', `/api/approvals/${approval!.id}/approve`, {}), { status: 409 });
			t.match(await gateway.payments.ledger(), { refunds: 0 });
		});
	},
);

t.test('[approvals.identical] identical calls share one approval and one card, and the money moves once', async (t) =>
	eachStore(t, async (t, database) => {
		const gateway = await build(t, { database, lark: 'ignore' });
		const agents = await Promise.all([openAgent(gateway.mcpUrl), openAgent(gateway.mcpUrl), openAgent(gateway.mcpUrl)]);
		const held = agents.map((agent) => agent.call('create_refund', REFUND));
		const other = agents[0].call('create_refund', { ...REFUND, amount: 1 });
		const approvals = await until('both approvals and all four calls', async () => {
			const asked = (await gateway.events('&kind=decision')).length;
			return asked === 4 && (await open(gateway));
		});
		t.equal(approvals.length, 2, 'other arguments need an approval of their own');
		t.equal(
			(
				await until('both cards', async () => {
					const all = await gateway.lark.messages();
					return all.length >= 2 && all;
				})
			).length,
			2,
		);
		const { id } = approvals.find((approval) => approval.arguments['amount'] === REFUND.amount)!;
		t.equal((await gateway.api('POST', `/api/approvals/${id}/approve`, {})).status, 200);
		const words = (await Promise.all(held)).map(({ word }) => word).sort();
		t.same(words, ['ok', 'replayed', 'replayed']);
		t.match(await gateway.payments.ledger(), { refunds: 1, refundedCents: 4_200 });
		await gateway.api('POST', `/api/approvals/${approvals.find((one) => one.id !== id)!.id}/reject`, {});
		t.equal((await other).word, 'rejected');
	}),
);

t.test(
	'[approvals.hold] a hold that ends says so; calling again waits for the same approval, also after a restart of the gateway',
	async (t) => {
		const database = embedded(t);
		const config = { approvals: { holdSeconds: 1 } };
		const first = await build(t, { database, config });
		const agent = await openAgent(first.mcpUrl);
		const pending = await agent.call('create_refund', REFUND);
		t.equal(pending.word, 'approval_pending', pending.text);
		t.match(pending.message, {
			result: { _meta: { 'dev.toolgate/decision': { approvalUrl: /^http:\/\/people\.example\/approvals\//, retryAfterMs: Number } } },
		});
		const [{ id }] = (await open(first)) as [ApprovalView];
		const params = { name: 'create_refund', arguments: REFUND, _meta: { progressToken: 'mine' } };
		const told = await post(
			first.mcpUrl,
			{ jsonrpc: '2.0', id: 9, method: 'tools/call', params },
			{ 'mcp-session-id': agent.sessionId, accept: 'application/json, text/event-stream' },
		);
		t.match(told.text, /"progressToken":"mine","progress":-1,"message":"create_refund waits for a person.*approval_pending/s);
		await first.close();

		const second = await build(t, { database, config, payments: first.payments });
		t.match(await second.api('POST', `/api/approvals/${id}/approve`, {}), { status: 200, json: { state: 'approved' } });
		t.equal((await (await openAgent(second.mcpUrl)).call('create_refund', REFUND)).word, 'ok');
		t.match(await second.payments.ledger(), { refunds: 1 });
		t.same(await second.traces('&tool=create_refund'), [
			'create_refund → approvalRequired → approval_pending',
			'create_refund → approvalRequired → approval_pending',
			'create_refund → approvalRequired → approved → ok',
		]);
	},
);

t.test('[approvals.policy-changed] a rule that denies since wins over an approval that was given', async (t) => {
	const policy = await policyVariant(t);
	const gateway = await build(t, { config: { policy: { bundle: policy.bundle } } });
	const held = (await openAgent(gateway.mcpUrl)).call('create_refund', REFUND);
	const { id } = await waiting(gateway);
	await policy.change(
		'rules/payments/payments.rego',
		'input.tool.name == "delete_customer"\n}\n\nis_payments',
		'input.tool.name in {"delete_customer", "create_refund"}\n}\n\nis_payments',
	);
	await until('the new bundle', () => gateway.news.filter((text) => /is active/.test(text)).length === 2);
	t.equal((await gateway.api('POST', `/api/approvals/${id}/approve`, {})).status, 200);
	t.equal((await held).word, 'deny');
	t.match(await gateway.payments.ledger(), { refunds: 0 });
});

t.test(
	'[policy.card-and-log] what is masked for the record is masked on the card, in the log, and in every byte of the data folder',
	async (t) => {
		const policy = await policyVariant(t);
		await policy.change(
			'rules/payments/payments.rego',
			'	input.tool.name == "create_refund"\n}',
			'	input.tool.name in {"create_refund", "send_lark_message"}\n}',
		);
		const lark = await mockLark(t, 'approve');
		const upstream = await payments(t);
		const dataDir = await embeddedDataDir(t);
		const gateway = await serve(t, {
			dataDir,
			log: { level: 'debug' },
			policy: { bundle: policy.bundle },
			lark: lark.config,
			upstreams: { stripe: { url: upstream.url } },
		});
		lark.callbackUrl = new URL('/lark/actions', gateway.mcpUrl).href;
		const agent = await openAgent(gateway.mcpUrl);
		t.equal((await agent.call('send_lark_message', { text: 'alice has 123-45-6789' })).word, 'ok');
		t.equal((await agent.call('send_lark_message', { text: { unfit: '123-45-6789' } })).word, 'invalid_arguments');
		await gateway.end('SIGTERM');

		const card = JSON.stringify(await lark.messages());
		t.match(card, /alice has/);
		const files = readdirSync(dataDir, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1'));
		t.ok(
			files.some((text) => text.includes('alice has')),
			'the folder holds readable text',
		);
		for (const [what, text] of [
			['the card', card],
			['the log', gateway.said()],
			['the message', upstream.messages[0]!.text],
			['the folder', files.join('')],
		] as const) {
			t.notOk(text.includes('123-45-6789'), what);
		}
	},
);
