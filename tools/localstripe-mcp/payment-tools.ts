import { randomUUID } from 'node:crypto';
import type Stripe from 'stripe';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { Chat } from './chat.ts';
import { ask } from './stripe.ts';

const chargeId = z.string().regex(/^\w+$/).describe('id of a charge, ch_…');
const limit = z.int().min(1).max(100).default(10).describe('how many at most');
const cents = z.int().describe('cents, or the smallest unit of the currency');
const charge = z.object({
	id: z.string(),
	amount: cents,
	amountRefunded: cents,
	currency: z.string(),
	status: z.string(),
	description: z.string().nullable(),
	customer: z.string().nullable().describe('id of the customer, cus_…'),
	email: z.string().nullable(),
	created: z.iso.datetime(),
});
const payout = z.object({ id: z.string(), amount: cents, currency: z.string(), status: z.string(), arrives: z.iso.date() });

/** An MCP server with the payment tools; one for each session. A tool that fails throws, which the SDK turns into a result with `isError`. */
export function paymentServer(stripe: Stripe, chat: Chat): McpServer {
	const server = new McpServer({ name: 'localstripe-mcp', title: 'Payments', version: '1.0.0' });

	server.registerTool(
		'list_recent_charges',
		{
			title: 'List recent charges',
			description: 'Lists charges, newest first: all, or those of one customer.',
			inputSchema: { customer: z.email().optional().describe('email address of the customer'), limit },
			outputSchema: { charges: z.array(charge) },
			annotations: { readOnlyHint: true, openWorldHint: true },
		},
		async ({ customer, limit }) => answer({ charges: await recentCharges(stripe, customer, limit) }),
	);

	server.registerTool(
		'get_charge',
		{
			title: 'Get a charge',
			description: 'Reads one charge.',
			inputSchema: { charge: chargeId },
			outputSchema: { charge },
			annotations: { readOnlyHint: true, openWorldHint: true },
		},
		async ({ charge }) => answer({ charge: describeCharge(await ask(stripe.charges.retrieve(charge))) }),
	);

	server.registerTool(
		'create_refund',
		{
			title: 'Refund a charge',
			description: 'Gives money of a charge back to the customer, in whole or in part. It cannot be undone.',
			inputSchema: {
				charge: chargeId,
				amount: z.int().min(1).describe('how much to give back, in cents'),
				reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer']).optional(),
			},
			outputSchema: { refund: z.string(), charge: z.string(), amount: cents, currency: z.string(), status: z.string() },
			annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
		},
		async ({ charge, amount, reason }) => {
			// One key per call: the SDK may repeat a broken request, and two calls of an agent are two refunds.
			const refund = await ask(stripe.refunds.create({ charge, amount, ...(reason && { reason }) }, { idempotencyKey: randomUUID() }));
			return answer({ refund: refund.id, charge, amount: refund.amount, currency: refund.currency, status: refund.status ?? 'unknown' });
		},
	);

	server.registerTool(
		'delete_customer',
		{
			title: 'Delete a customer',
			description: 'Deletes a customer for ever and ends their subscriptions. It cannot be undone.',
			inputSchema: { customer: z.string().regex(/^\w+$/).describe('id of a customer, cus_…') },
			outputSchema: { customer: z.string(), deleted: z.boolean() },
			annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
		},
		async ({ customer }) => answer({ customer, deleted: (await ask(stripe.customers.del(customer))).deleted }),
	);

	server.registerTool(
		'list_payouts',
		{
			title: 'List payouts',
			description: 'Lists what was paid out to the bank account of the business, newest first.',
			inputSchema: { limit },
			outputSchema: { payouts: z.array(payout) },
			annotations: { readOnlyHint: true, openWorldHint: true },
		},
		async ({ limit }) => {
			const { data } = await ask(stripe.payouts.list({ limit }));
			return answer({
				payouts: data.map(({ id, amount, currency, status, arrival_date: arrival }) => ({
					id,
					amount,
					currency,
					status,
					arrives: isoTime(arrival).slice(0, 10),
				})),
			});
		},
	);

	server.registerTool(
		'send_lark_message',
		{
			title: 'Send a Lark message',
			description: 'Posts a text message to a Lark chat.',
			inputSchema: {
				text: z.string().min(1).max(4000),
				chat: z
					.string()
					.regex(/^oc_\w+$/)
					.optional()
					.describe('id of a chat, oc_…; absent: the usual one'),
			},
			outputSchema: { delivered: z.boolean(), messageId: z.string(), chat: z.string() },
			annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
		},
		async ({ text, chat: target }) => {
			const { messageId, chat: sentTo } = await chat.send(text, target);
			return answer({ delivered: true, messageId, chat: sentTo });
		},
	);

	return server;
}

async function recentCharges(stripe: Stripe, email: string | undefined, limit: number): Promise<z.infer<typeof charge>[]> {
	if (!email) return (await ask(stripe.charges.list({ limit }))).data.map(describeCharge);
	// Stripe allows several customers with one address.
	const customers = (await ask(stripe.customers.list({ email, limit: 10 }))).data;
	if (customers.length === 0) throw new Error(`No customer has the email address ${email}.`);
	const lists = await Promise.all(customers.map(({ id }) => ask(stripe.charges.list({ customer: id, limit }))));
	return lists
		.flatMap(({ data }) => data)
		.toSorted((a, b) => b.created - a.created)
		.slice(0, limit)
		.map(describeCharge);
}

function describeCharge({
	id,
	amount,
	amount_refunded,
	currency,
	status,
	description,
	customer,
	billing_details,
	receipt_email,
	created,
}: Stripe.Charge): z.infer<typeof charge> {
	return {
		id,
		amount,
		amountRefunded: amount_refunded,
		currency,
		status,
		description,
		customer: typeof customer === 'object' ? (customer?.id ?? null) : customer,
		email: billing_details.email ?? receipt_email,
		created: isoTime(created),
	};
}

function answer(structuredContent: Record<string, unknown>): CallToolResult {
	return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}

function isoTime(unixSeconds: number): string {
	return new Date(unixSeconds * 1000).toISOString();
}
