import { randomUUID } from 'node:crypto';
import type { Locator, Page } from 'playwright-core';
import type { TrailEvent } from '../src/domain.ts';
import { conceal } from '../src/ledger-fixture.ts';
import { eventRow } from '../src/store/event-row.ts';
import { openAgent } from './agent.ts';
import type { Built } from './build.ts';
import { until } from './until.ts';

/** What the tests of the audit explorer share: a small trail, and the page's parts. */

export const row = (page: Page, hasText: string | RegExp): Locator =>
	page.getByRole('list', { name: 'Entries' }).getByRole('listitem').filter({ hasText });

export const timeline = (page: Page): Locator => page.getByRole('list', { name: 'Timeline' });

/** In the stream of the gateway itself: whatever text, chained as any event. */
export async function recorded({ sql }: Built, fields: Partial<TrailEvent>): Promise<TrailEvent> {
	const [stream] = await sql.query<{ id: string }>('SELECT id FROM streams', []);
	const event: TrailEvent = {
		version: 1,
		id: randomUUID(),
		kind: 'refusal',
		timeMs: Math.floor(sql.nowMs()),
		callId: randomUUID(),
		...fields,
	};
	await sql.query('SELECT append_event($1, $2::jsonb)', [stream!.id, JSON.stringify(eventRow(event, conceal))]);
	return event;
}

/** Of one turn: an allowed call, a refund that a person approved, a denied call, and one beyond the budget of the turn. */
export async function aTurn({ mcpUrl, api }: Built, turn: string): Promise<void> {
	const agent = await openAgent(mcpUrl);
	const headers = { 'x-mcp-turn-id': turn };
	const list = () => agent.call('list_recent_charges', { customer: 'alice@example.com', limit: 1 }, headers);
	await list();
	const held = agent.call('create_refund', { charge: 'ch_alice_4', amount: 4_200 }, headers);
	const id = await until(
		'the approval',
		async () => (await api<{ approvals: { id: string }[] }>('GET', '/api/approvals')).json.approvals[0]?.id,
	);
	await api('POST', `/api/approvals/${id}/approve`, { reason: 'the customer is right' });
	await held;
	await agent.call('delete_customer', { customer: 'cus_1' }, headers);
	for (let n = 0; n < 4; n++) await list();
}
