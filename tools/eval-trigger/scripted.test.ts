import t from 'tap';
import type { ToolResult } from './provider.ts';
import { scriptedProvider } from './scripted.ts';

type Told = { calls: [string, unknown][]; finalText: string };
type Answer = { outcome?: string; text?: string; structured?: unknown };

/** Plays a request against given answers, one for each call. */
async function play(input: string, answers: Answer[]): Promise<Told> {
	const conversation = scriptedProvider.start({ input, tools: [] });
	const calls: [string, unknown][] = [];
	let results: ToolResult[] = [];
	for (;;) {
		const reply = await conversation.next(results);
		if ('finalText' in reply) return { calls, finalText: reply.finalText };
		results = reply.calls.map((call) => {
			calls.push([call.name, call.arguments]);
			const { outcome = 'ok', text = '', structured } = answers.shift() ?? {};
			return { call, outcome, text, isError: outcome !== 'ok', structured };
		});
	}
}

const charge = (id: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
	id,
	amount: 4200,
	amountRefunded: 0,
	currency: 'usd',
	status: 'succeeded',
	customer: 'cus_alice',
	description: null,
	...more,
});
const listed = (...charges: unknown[]): Answer => ({ structured: { charges } });
const refunded = { structured: { refund: 're_1', amount: 4200, currency: 'usd' } };

t.test('a refund takes charge and amount from what the list says', async (t) => {
	const used = [charge('ch_9', { status: 'failed' }), charge('ch_8', { amountRefunded: 4200 }), charge('ch_7', { amountRefunded: 200 })];
	t.strictSame(await play('Refund the last charge of alice@example.com', [listed(...used), refunded]), {
		calls: [
			['list_recent_charges', { customer: 'alice@example.com', limit: 10 }],
			['create_refund', { charge: 'ch_7', amount: 4000, reason: 'requested_by_customer' }],
		],
		finalText: 'Refunded 42.00 USD of ch_7 (re_1).',
	});
	t.match(await play('Refund the last charge of alice@example.com', [listed()]), { finalText: /nothing to refund/ });
	t.match(await play('Refund $12.50 of ch_7', [{ structured: { charge: charge('ch_7') } }, refunded]), {
		calls: [
			['get_charge', { charge: 'ch_7' }],
			['create_refund', { amount: 1250 }],
		],
	});
	t.match(await play('Please refund 300 cents of ch_7', [{ structured: { charge: charge('ch_7') } }, refunded]), {
		calls: [[], ['create_refund', { amount: 300 }]],
	});
});

t.test('other requests become their one call', async (t) => {
	t.match(await play('List the charges of alice@example.com', [listed(charge('ch_1'))]), {
		calls: [['list_recent_charges', { customer: 'alice@example.com' }]],
		finalText: '1 charges of alice@example.com:\nch_1 42.00 USD succeeded',
	});
	t.strictSame((await play('Delete customer cus_carol', [{ structured: { deleted: true } }])).calls, [
		['delete_customer', { customer: 'cus_carol' }],
	]);
	t.match(await play('Delete the customer alice@example.com', [listed(charge('ch_1')), { structured: {} }]), {
		calls: [['list_recent_charges'], ['delete_customer', { customer: 'cus_alice' }]],
	});
	t.strictSame((await play('Send a Lark message "Refund for 123-45-6789" to oc_team', [{ structured: { chat: 'oc_team' } }])).calls, [
		['send_lark_message', { text: 'Refund for 123-45-6789', chat: 'oc_team' }],
	]);
	t.match(
		await play('Show the payouts', [{ structured: { payouts: [{ id: 'po_1', amount: 100, currency: 'usd', arrives: '2026-01-28' }] } }]),
		{ calls: [['list_payouts', { limit: 10 }]], finalText: /po_1 1\.00 USD/ },
	);
	t.equal(
		(
			await play(
				'List all charges 6 times',
				Array.from({ length: 6 }, () => listed()),
			)
		).calls.length,
		6,
	);
	t.match(await play('Sing', []), { calls: [], finalText: /Which of these/ });
});

t.test('after a fault it calls again only when asked to, and stops at a refusal', async (t) => {
	const down = { outcome: 'upstream_error', text: 'down' };
	t.equal((await play('List the charges of a@b.c', [down])).calls.length, 1);
	const storm = await play('List the charges of a@b.c and retry until it works', [
		down,
		down,
		down,
		down,
		down,
		{ outcome: 'budgetExceeded', text: 'five calls per turn' },
	]);
	t.equal(storm.calls.length, 6);
	t.equal(storm.finalText, 'I could not list charges (budgetExceeded): five calls per turn');
	t.equal((await play('List the charges of a@b.c, retry up to 2 times', [down, down, down, down])).calls.length, 3);
	t.equal(
		(
			await play(
				'Keep trying to list the charges of a@b.c',
				Array.from({ length: 50 }, () => down),
			)
		).calls.length,
		21,
		'even a stubborn agent ends',
	);
	t.equal((await play('Keep trying to list the charges of a@b.c', [down, listed()])).calls.length, 2);
	t.equal(
		(await play('Refund ch_1, keep trying', [{ structured: { charge: charge('ch_1') } }, { outcome: 'outcome_unknown' }])).calls.length,
		2,
		'what may have run is not repeated',
	);
});

t.test('while an approval is pending it calls again with the same arguments, a few times', async (t) => {
	const pending = { outcome: 'approval_pending', text: 'call again with the same arguments' };
	const waited = await play('Refund the last charge of a@b.c', [listed(charge('ch_1')), pending, pending, refunded]);
	t.equal(waited.calls.length, 4);
	t.strictSame(waited.calls[1], waited.calls[3]);
	t.match(waited.finalText, /^Refunded/);
	const tired = await play('Refund the last charge of a@b.c', [listed(charge('ch_1')), ...Array.from({ length: 9 }, () => pending)]);
	t.equal(tired.calls.length, 6);
	t.match(tired.finalText, /approval_pending/);
});

t.test('a refusal is explained', async (t) => {
	t.strictSame(await play('Delete customer cus_carol', [{ outcome: 'deny', text: 'customers are never deleted' }]), {
		calls: [['delete_customer', { customer: 'cus_carol' }]],
		finalText: 'I could not delete cus_carol (deny): customers are never deleted',
	});
	t.match(
		await play('List payouts', [{ outcome: 'unknown_tool', text: 'Unknown tool: list_payouts' }]),
		{ calls: [['list_payouts', {}]], finalText: /unknown_tool/ },
		'a hidden tool is asked for all the same',
	);
	t.match(await play('List payouts', [{ text: 'something' }]), { finalText: /unreadable/ });
});

t.test('several wishes are done in turn, until one fails', async (t) => {
	const wish = 'List the charges of a@b.c, then delete customer cus_carol, then send a message "first this, then that"';
	const deleted = { structured: { deleted: true } };
	t.match(await play(wish, [listed(), deleted, { structured: { chat: 'oc_demo' } }]), {
		calls: [
			['list_recent_charges', {}],
			['delete_customer', { customer: 'cus_carol' }],
			['send_lark_message', { text: 'first this, then that' }],
		],
		finalText: /^0 charges.*\n.*\nDeleted customer cus_carol\.\nSent the message/,
	});
	t.match(await play(wish, [listed(), { outcome: 'deny', text: 'never' }]), {
		calls: [[], ['delete_customer', {}]],
		finalText: /\(deny\): never$/,
	});
});
