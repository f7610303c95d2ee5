import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { Test } from 'tap';
import { z } from 'zod';
import { type SdkMcpServer, sdkMcpServer } from './sdk-mcp-server.ts';

/** An upstream whose calls arrive and do not end by themselves. */
export interface HangingUpstream extends SdkMcpServer {
	/** Calls that are under way or were. */
	calls(): number;
	/** Answers all that hang, and every later one at once. */
	release(): void;
}

/** Offers `get_charge` and `create_refund`, which the default policy knows. */
export async function hangingUpstream(t: Test): Promise<HangingUpstream> {
	let calls = 0;
	const gate = Promise.withResolvers<void>();
	const server = await sdkMcpServer(t, () => {
		const made = new McpServer({ name: 'hanging', version: '1' });
		for (const name of ['get_charge', 'create_refund']) {
			made.registerTool(name, { inputSchema: { charge: z.string(), amount: z.int().optional() } }, async () => {
				calls += 1;
				await gate.promise;
				return { content: [{ type: 'text', text: 'done' }] };
			});
		}
		return made;
	});
	return { ...server, calls: () => calls, release: () => gate.resolve() };
}
