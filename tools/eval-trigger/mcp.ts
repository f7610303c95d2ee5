import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ErrorCode, McpError, type CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Tool, ToolCall, ToolResult } from './provider.ts';

/** A call may be held while a person decides; progress starts the time anew. */
const CALL_TIMEOUT_MS = 120_000;
/** Where the gateway says what it decided, in the `_meta` of a result. */
export const DECISION = 'dev.toolgate/decision';

/** The MCP server can't be reached or can't be understood; the message is one line. */
export class McpUnreachable extends Error {}

/** A session with an MCP server; `close` ends it. */
export type McpSession = { tools: Tool[]; call(call: ToolCall): Promise<ToolResult>; close(): Promise<void> };

/**
 * Opens a session and reads the list of tools.
 * @param headers sent with every request
 * @throws McpUnreachable; so does `call`
 */
export async function openMcp(url: string, headers: Record<string, string>): Promise<McpSession> {
	const client = new Client({ name: 'eval-agent', version: '1.0.0' });
	const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
	try {
		await client.connect(transport);
		const { tools } = await client.listTools();
		return {
			tools,
			call: (call) => callTool(client, url, call),
			close: async () => {
				// Best effort: the run is over, and the server may be gone.
				await transport.terminateSession().catch(() => {});
				await client.close();
			},
		};
	} catch (error) {
		await client.close();
		throw unreachable(url, error);
	}
}

async function callTool(client: Client, url: string, call: ToolCall): Promise<ToolResult> {
	try {
		const result = (await client.callTool({ name: call.name, arguments: call.arguments }, undefined, {
			timeout: CALL_TIMEOUT_MS,
			resetTimeoutOnProgress: true,
			onprogress: () => {},
		})) as CallToolResult;
		const isError = result.isError === true;
		const decision = result._meta?.[DECISION] as { outcome?: string } | undefined;
		const text = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
		return { call, outcome: decision?.outcome ?? (isError ? 'tool_error' : 'ok'), text, isError, structured: result.structuredContent };
	} catch (error) {
		if (!(error instanceof McpError) || error.code === ErrorCode.ConnectionClosed) throw unreachable(url, error);
		const outcome =
			error.code === ErrorCode.RequestTimeout ? 'no_answer' : /Unknown tool/i.test(error.message) ? 'unknown_tool' : 'tool_error';
		return { call, outcome, text: error.message, isError: true };
	}
}

function unreachable(url: string, error: unknown): McpUnreachable {
	if (error instanceof StreamableHTTPError && error.code) return new McpUnreachable(`the MCP server at ${url} refused: HTTP ${error.code}`);
	const { message, cause } = error as Error & { cause?: { message?: string; code?: string } };
	const reason = cause ? `can't be reached: ${cause.message || cause.code}` : `failed: ${message}`;
	return new McpUnreachable(`the MCP server at ${url} ${reason.split('\n')[0]}`);
}
