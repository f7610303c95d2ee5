import { DECISION } from './mcp.ts';
import { type RawAnswer, RawSession } from './raw-mcp.ts';

/** One message sent past the model: a call of `tool`, or `send` as the whole body (a text goes as it is, anything else as JSON). */
export type AttackStep = { tool?: string; arguments?: unknown; send?: unknown; atOnce?: number; inSessionOf?: string };
/** What became of one message. `outcome` is a word of the trail, or `HTTP 404`, or `error -32600` where the server refused before it was a call. */
export type AttackResult = { tool: string; arguments: Record<string, unknown>; outcome: string; text: string };

/**
 * Sends the steps one after the other in one session, each as often at once as it says, and tells what became of every message.
 * @param headers who the agent says it is; `x-toolgate-principal` becomes another's where a step uses another's session
 * @throws McpUnreachable
 */
export async function runAttack(
	url: string,
	headers: Record<string, string>,
	steps: readonly AttackStep[],
	onResult: (result: AttackResult) => void,
): Promise<void> {
	const own = await RawSession.open(url, headers);
	const others: RawSession[] = [];
	let id = 0;
	try {
		for (const step of steps) {
			const other =
				step.inSessionOf === undefined ? undefined : await RawSession.open(url, { ...headers, 'x-toolgate-principal': step.inSessionOf });
			if (other !== undefined) others.push(other);
			const bodies = Array.from({ length: step.atOnce ?? 1 }, () => bodyOf(step, ++id));
			const answers = await Promise.all(bodies.map((body) => own.send(body, other?.id)));
			for (const answer of answers) {
				onResult({
					tool: step.tool ?? '(raw body)',
					arguments: { sent: step.tool === undefined ? step.send : step.arguments },
					outcome: outcomeOf(answer),
					text: answer.text,
				});
			}
		}
	} finally {
		for (const session of [own, ...others]) await session.close();
	}
}

function bodyOf({ tool, arguments: args, send }: AttackStep, id: number): string {
	if (tool === undefined) return typeof send === 'string' ? send : JSON.stringify(send);
	return JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: tool, arguments: args } });
}

function outcomeOf({ status, messages }: RawAnswer): string {
	const answer = messages.findLast(({ result, error }) => result !== undefined || error !== undefined);
	if (answer?.result !== undefined) return answer.result._meta?.[DECISION]?.outcome ?? (answer.result.isError ? 'tool_error' : 'ok');
	if (status >= 400 || answer?.error === undefined) return `HTTP ${status}`;
	return /Unknown tool/i.test(answer.error.message) ? 'unknown_tool' : `error ${answer.error.code}`;
}

/** @returns the steps, or what is wrong with them */
export function readAttack(value: unknown): AttackStep[] | string {
	if (!Array.isArray(value) || value.length === 0) return 'attack is not a list of steps';
	for (const step of value as unknown[]) {
		const { tool, send, atOnce = 1, inSessionOf = '' } = (step ?? {}) as Record<string, unknown>;
		if ((tool === undefined) === (send === undefined)) return 'each step of attack has either tool or send';
		if (tool !== undefined && typeof tool !== 'string') return 'the tool of a step is not a text';
		if (!Number.isInteger(atOnce) || (atOnce as number) < 1 || (atOnce as number) > 100)
			return 'atOnce of a step is not a whole number from 1 to 100';
		if (typeof inSessionOf !== 'string') return 'inSessionOf of a step is not a principal';
	}
	return value as AttackStep[];
}
