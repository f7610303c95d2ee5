import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import t from 'tap';
import { z } from 'zod';
import type { ApprovalView } from '../src/approvals/approval.ts';
import { openAgent } from './agent.ts';
import { build } from './build.ts';
import { sdkMcpServer } from './sdk-mcp-server.ts';
import { until } from './until.ts';

const REFUND = { charge: 'ch_1', amount: 4_200 };

/** A server whose refund tool says of itself what the test wants, and remembers what it was asked to do. */
function refunds() {
	let description = 'Gives money back.';
	const done: unknown[] = [];
	const make = () => {
		const server = new McpServer({ name: 'refunds', version: '1' });
		server.registerTool('create_refund', { description, inputSchema: { charge: z.string(), amount: z.int() } }, (args) => {
			done.push(args);
			return { content: [{ type: 'text', text: 'done' }] };
		});
		return server;
	};
	return { make, done, describe: (text: string) => void (description = text) };
}

t.test(
	'attack 9: what was approved for one call releases no other, is not used up by trying, and then runs exactly that call',
	async (t) => {
		const { make, done, describe } = refunds();
		const server = await sdkMcpServer(t, make);
		const gateway = await build(t, {
			config: { upstreams: { stripe: { url: server.url, refreshSeconds: 1 } }, approvals: { holdSeconds: 1 } },
		});
		const agent = await openAgent(gateway.mcpUrl);
		t.equal((await agent.call('create_refund', REFUND)).word, 'approval_pending');
		const open = async () => (await gateway.api<{ approvals: ApprovalView[] }>('GET', '/api/approvals')).json.approvals;
		const [{ id }] = (await open()) as [ApprovalView];
		t.equal((await gateway.api('POST', `/api/approvals/${id}/approve`)).status, 200);

		const others: [what: string, principal: string, agentId: string, args: typeof REFUND][] = [
			['another amount', 'alice@example.com', 'agent', { ...REFUND, amount: 4_201 }],
			['another charge', 'alice@example.com', 'agent', { ...REFUND, charge: 'ch_2' }],
			['another principal', 'eval-other@example.com', 'agent', REFUND],
			['another agent', 'alice@example.com', 'other', REFUND],
		];
		await Promise.all(
			others.map(async ([what, principal, agentId, args]) => {
				const other = await openAgent(gateway.mcpUrl, { 'x-toolgate-principal': principal, 'x-toolgate-agent-id': agentId });
				t.equal((await other.call('create_refund', args)).word, 'approval_pending', what);
			}),
		);
		t.equal((await open()).filter(({ state }) => state === 'pending').length, others.length, 'each asks a person anew');

		const become = async (text: string, word: string) => {
			describe(text);
			await server.kill();
			await server.revive();
			await until('the definition to be seen', async () => (await agent.list()).includes('create_refund') === (word === 'ok'));
			t.equal((await agent.call('create_refund', REFUND)).word, word, text);
		};
		await become('Gives all the money back.', 'quarantined');
		t.equal((await gateway.api('GET', `/api/approvals/${id}`)).json['state'], 'approved', 'it is not used up');
		t.same(done, []);
		await become('Gives money back.', 'ok');
		t.same(done, [REFUND], 'what was agreed to, once');
	},
);
