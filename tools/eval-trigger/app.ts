import { randomUUID } from 'node:crypto';
import fastify, { type FastifyInstance } from 'fastify';
import { type AttackStep, readAttack, runAttack } from './attack.ts';
import { McpUnreachable, openMcp } from './mcp.ts';
import { ProviderError, type Provider } from './provider.ts';

/** What one run answers: each call in its order, and the agent's last words. */
export type Run = { provider: string; steps: Step[]; finalText: string };
export type Step = { tool: string; arguments: Record<string, unknown>; outcome: string; text: string };
type Request = { input: string; turnId: string; principal?: string; agentId: string; attack?: AttackStep[] };

/** A model that never ends is stopped. */
const MAX_CALLS = 50;
const HEADER_VALUE = /^[\x21-\x7e]{1,200}$/;

/**
 * The agent behind HTTP: `POST /run {input, turnId?, principal?, agentId?, attack?}` does what `input` asks with the tools of the MCP server, and
 * answers a Run; 400 where the request is wrong, 502 where the MCP server or the model can't be reached. With `attack` no model is asked: the steps
 * are what it would do to get around the gate, and they are sent as they stand.
 * @param mcpToken sent as a bearer token where it isn't empty
 */
export function buildEvalTrigger({
	mcpUrl,
	mcpToken,
	provider,
}: {
	mcpUrl: string;
	mcpToken: string;
	provider: Provider;
}): FastifyInstance {
	const app = fastify({ forceCloseConnections: true });
	app.post('/run', async (request, reply) => {
		const asked = readRequest(request.body);
		if (typeof asked === 'string') return reply.code(400).send({ error: asked });
		const steps: Step[] = [];
		try {
			const finalText = await runAgent(asked, { mcpUrl, mcpToken, provider }, steps);
			return { provider: provider.name, steps, finalText } satisfies Run;
		} catch (error) {
			if (!(error instanceof McpUnreachable || error instanceof ProviderError)) throw error;
			return reply.code(502).send({ error: error.message, steps });
		}
	});
	return app;
}

async function runAgent(
	{ input, turnId, principal, agentId, attack }: Request,
	{ mcpUrl, mcpToken, provider }: { mcpUrl: string; mcpToken: string; provider: Provider },
	steps: Step[],
): Promise<string> {
	const headers = {
		'x-mcp-turn-id': turnId,
		'x-toolgate-agent-id': agentId,
		...(principal && { 'x-toolgate-principal': principal }),
		...(mcpToken && { authorization: `Bearer ${mcpToken}` }),
	};
	if (attack !== undefined) {
		await runAttack(mcpUrl, headers, attack, (result) => steps.push(result));
		return `I tried it: ${steps.map(({ tool, outcome }) => `${tool} ${outcome}`).join(', ')}.`;
	}
	const session = await openMcp(mcpUrl, headers);
	try {
		const conversation = provider.start({ input, principal, tools: session.tools });
		let reply = await conversation.next([]);
		while ('calls' in reply) {
			if (steps.length + reply.calls.length > MAX_CALLS) return `I stopped: more than ${MAX_CALLS} calls.`;
			const results = [];
			for (const call of reply.calls) {
				const result = await session.call(call);
				steps.push({ tool: call.name, arguments: call.arguments, outcome: result.outcome, text: result.text });
				results.push(result);
			}
			reply = await conversation.next(results);
		}
		return reply.finalText;
	} finally {
		await session.close();
	}
}

/** @returns the request, or what is wrong with it */
function readRequest(body: unknown): Request | string {
	if (typeof body !== 'object' || body === null) return 'the body is not a JSON object';
	const { input, turnId = randomUUID(), principal, agentId = 'eval-agent', attack } = body as Record<string, unknown>;
	if (typeof input !== 'string' || !input.trim()) return 'input is missing: the request to the agent, in words';
	for (const [name, value] of Object.entries({ turnId, principal: principal ?? 'absent', agentId })) {
		if (typeof value !== 'string' || !HEADER_VALUE.test(value)) return `${name} is not 1 to 200 visible ASCII characters`;
	}
	const readSteps = attack === undefined ? undefined : readAttack(attack);
	if (typeof readSteps === 'string') return readSteps;
	return { input, turnId, principal, agentId, ...(readSteps && { attack: readSteps }) } as Request;
}
