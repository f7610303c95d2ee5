/** MCP servers from npm that nobody here wrote, as upstreams of the tests. */
import { createRequire } from 'node:module';
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { Test } from 'tap';
import { type SdkMcpServer, sdkMcpServer } from './sdk-mcp-server.ts';

const resolve = createRequire(import.meta.url).resolve;
const entryOf = (name: string) => resolve(`@modelcontextprotocol/server-${name}/dist/index.js`);

export interface Command {
	readonly command: string;
	readonly args: readonly string[];
}

const run = (name: string, ...args: string[]): Command => ({ command: process.execPath, args: [entryOf(name), ...args] });

/** How to run each over stdio. */
export const everything: Command = run('everything', 'stdio');
export const memory: Command = run('memory');
export const filesystem = (folder: string): Command => run('filesystem', folder);

/** The "everything" server over Streamable HTTP, one per session. */
export async function everythingOverHttp(t: Test): Promise<SdkMcpServer> {
	const module = resolve('@modelcontextprotocol/server-everything/dist/server/index.js');
	const { createServer } = (await import(module)) as { createServer: () => { server: McpServer; cleanup(sessionId?: string): void } };
	return sdkMcpServer(t, () => {
		const { server, cleanup } = createServer();
		t.teardown(() => cleanup(server.server.transport?.sessionId));
		return server;
	});
}
