import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { buildLocalstripe } from '../../tools/localstripe/app.ts';
import { MemoryChat, type SentMessage } from '../../tools/localstripe-mcp/chat.ts';
import { paymentServer } from '../../tools/localstripe-mcp/payment-tools.ts';
import { connectStripe } from '../../tools/localstripe-mcp/stripe.ts';
import { type SdkMcpServer, sdkMcpServer } from './sdk-mcp-server.ts';

/** The payments MCP server of the demo over its fake Stripe, in this process: an upstream whose effects can be counted. */
export interface Payments extends SdkMcpServer {
	/** What the fake money did. */
	ledger(): Promise<{ refunds: number; refundedCents: number; deletedCustomers: number }>;
	/** Messages that were really sent. */
	readonly messages: readonly SentMessage[];
	/** The arguments of each call of the tool that arrived here. */
	received(tool: string): Record<string, unknown>[];
}

export async function payments(t: Pick<Test, 'teardown'>, answers: 'sse' | 'json' = 'sse'): Promise<Payments> {
	const stripe = buildLocalstripe();
	await stripe.listen({ host: '127.0.0.1', port: 0 });
	t.teardown(() => stripe.close());
	const stripeUrl = `http://127.0.0.1:${(stripe.server.address() as AddressInfo).port}`;
	const client = connectStripe('sk_test_1', stripeUrl);
	const chat = new MemoryChat('oc_demo');
	const server = await sdkMcpServer(t, () => paymentServer(client, chat), answers);
	return {
		...server,
		ledger: async () => (await fetch(`${stripeUrl}/_ledger`)).json() as ReturnType<Payments['ledger']>,
		messages: chat.sent,
		received: (tool) =>
			server.requests
				.filter(({ body }) => body !== '')
				.map(({ body }) => JSON.parse(body) as { method?: string; params?: { name?: string; arguments?: Record<string, unknown> } })
				.filter(({ method, params }) => method === 'tools/call' && params?.name === tool)
				.map(({ params }) => params?.arguments ?? {}),
	};
}
