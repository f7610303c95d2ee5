import type { Command } from './npm-servers.ts';

/**
 * An MCP server over stdio made by hand, so that it can misbehave: it answers `initialize`, and leaves everything else to `answers`, the
 * JavaScript text of an object of functions by method name (`response` for responses) that are given the message. In scope: `say(message)`,
 * `write(text)`, `process`, `require`.
 */
export function scriptedCommand(answers: string, before = ''): Command {
	const script = `
		const write = (text) => process.stdout.write(text);
		const say = (message) => write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
		${before}
		const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'scripted', version: '1' } };
		const answers = { initialize: ({ id }) => say({ id, result }), ...{ ${answers} } };
		require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
			const message = JSON.parse(line);
			answers[message.method ?? 'response']?.(message);
		});`;
	return { command: process.execPath, args: ['-e', script] };
}
