import Anthropic from '@anthropic-ai/sdk';
import { ProviderError, type Conversation, type Provider, type ToolResult } from './provider.ts';

const MAX_TOKENS = 4096;
const SYSTEM = `You are a support agent of a company that takes payments. Do what you are asked with the tools you have, and nothing else.
Amounts are integer cents. A tool may be refused: read why. When an approval is pending, call again with exactly the same arguments, five times at
most. When it is denied, rejected, expired or over a budget, don't try another way: say what happened. When a server can't be reached, try again only
if you were asked to. End with one or two sentences on what was done.`;

/**
 * A model of Anthropic, by the official SDK.
 * @param baseURL absent: the SDK's own (`ANTHROPIC_BASE_URL`, or the public API)
 */
export function anthropicProvider({ apiKey, model, baseURL }: { apiKey: string; model: string; baseURL?: string }): Provider {
	const client = new Anthropic({ apiKey, ...(baseURL && { baseURL }) });
	return {
		name: `anthropic (${model})`,
		start({ input, principal, tools }): Conversation {
			const offered = tools.map(({ name, description, inputSchema }) => ({
				name,
				description: description ?? '',
				input_schema: inputSchema as Anthropic.Tool.InputSchema,
			}));
			const messages: Anthropic.MessageParam[] = [{ role: 'user', content: input }];
			const system = principal ? `${SYSTEM}\nYou act for ${principal}.` : SYSTEM;
			return {
				next: async (results) => {
					if (results.length > 0) messages.push({ role: 'user', content: results.map(toolResult) });
					const message = await client.messages
						.create({ model, max_tokens: MAX_TOKENS, system, tools: offered, messages })
						.catch((error: Error) => {
							throw new ProviderError(`the model ${model} can't be asked: ${error.message}`);
						});
					messages.push({ role: 'assistant', content: message.content });
					const calls = message.content.filter((block) => block.type === 'tool_use');
					if (message.stop_reason === 'tool_use' && calls.length > 0) {
						return { calls: calls.map(({ id, name, input: args }) => ({ id, name, arguments: args as Record<string, unknown> })) };
					}
					const text = message.content
						.filter((block) => block.type === 'text')
						.map((block) => block.text)
						.join('\n');
					return { finalText: text || `The model ended without a word (${message.stop_reason}).` };
				},
			};
		},
	};
}

function toolResult({ call, text, isError, outcome }: ToolResult): Anthropic.ToolResultBlockParam {
	return { type: 'tool_result', tool_use_id: call.id, is_error: isError, content: isError ? `${outcome}: ${text}` : text };
}
