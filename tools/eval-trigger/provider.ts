/** A tool that the agent was offered. */
export type Tool = { name: string; description?: string; inputSchema: Record<string, unknown> };
/** One wish of the model; `id` is the model's own name for it. */
export type ToolCall = { id: string; name: string; arguments: Record<string, unknown> };

/**
 * What came of a call. `outcome` is a word of the gateway's trail where it said one, otherwise `ok` or `tool_error`; `no_answer` where the
 * client gave up waiting.
 */
export type ToolResult = { call: ToolCall; outcome: string; text: string; isError: boolean; structured?: unknown };

/** What the model does next: call tools, or end. */
export type Reply = { calls: ToolCall[] } | { finalText: string };

/** What thinks for the agent. The scripted model is just another provider. */
export interface Provider {
	readonly name: string;
	/** Begins one request. */
	start(request: { input: string; principal?: string; tools: Tool[] }): Conversation;
}

export interface Conversation {
	/** @param results of the calls of the previous reply, in their order; empty at first. Throws ProviderError where the model can't be asked. */
	next(results: ToolResult[]): Promise<Reply>;
}

/** The model can't be asked; the message is one line. */
export class ProviderError extends Error {}
