import { setTimeout as wait } from 'node:timers/promises';
import { type Deployment, UsageError } from './deployment.ts';
import { json } from './http.ts';
import type { AttackStep, LarkMode } from './suite.ts';
import type { TrailEvent } from './trace.ts';

/** An agent may wait for a person, several times. */
const AGENT_TIMEOUT_MS = 180_000;
/** The gateway looks at an upstream that is down every five seconds. */
const SEEN_TIMEOUT_MS = 30_000;
const SEEN_INTERVAL_MS = 100;

/** What the agent is asked. */
export interface AgentRequest {
	readonly input: string;
	readonly attack?: readonly AttackStep[];
	readonly turnId: string;
	readonly principal: string;
}

/** What the agent says of one call; an agent of another kind may leave it out. */
export interface AgentStep {
	readonly tool: string;
	readonly outcome: string;
	readonly text: string;
}

export interface AgentAnswer {
	readonly said: string;
	readonly steps: readonly AgentStep[];
}

/** What the fake money did. Sums are cents. */
export interface Ledger {
	readonly refunds: number;
	readonly refundedCents: number;
	readonly deletedCustomers: number;
}

/** A running stack as the cases use it: only by its public routes. */
export class Stack {
	readonly #deployment: Deployment;
	readonly #agentUrl: string;

	/** @param agentUrl another agent than the stack's own: `POST <agentUrl>/run` */
	constructor(deployment: Deployment, agentUrl?: string) {
		this.#deployment = deployment;
		this.#agentUrl = agentUrl || deployment.urls['eval-trigger'];
	}

	/** Resolves with the agent's last words when it has ended. @throws {UsageError} it can't reach the gateway, or its model */
	async ask(request: AgentRequest, signal?: AbortSignal): Promise<AgentAnswer> {
		const answer = await json<{ finalText?: string; error?: string; steps?: AgentStep[] }>(`${this.#agentUrl}/run`, {
			method: 'POST',
			body: request,
			timeoutMs: AGENT_TIMEOUT_MS,
			...(signal === undefined ? {} : { signal }),
		});
		if (answer.error !== undefined) throw new UsageError(`the agent could not go on: ${answer.error.split('\n')[0]}`);
		return { said: answer.finalText ?? '', steps: answer.steps ?? [] };
	}

	/** Every event of a principal's calls, oldest first. */
	async trail(principal: string): Promise<TrailEvent[]> {
		const query = new URLSearchParams({ principal, limit: '1000' });
		const { events } = await json<{ events: TrailEvent[] }>(`${this.#deployment.peopleUrl}/api/audit?${query}`, {
			token: this.#deployment.operatorToken,
		});
		return events.reverse();
	}

	/** When the open approvals of a principal end, by the call that asked; milliseconds on the gateway's clock. */
	async approvalsEndAtMs(principal: string): Promise<Map<string, number>> {
		const { approvals } = await json<{ approvals: { principal: string; callId: string; expiresAtMs: number }[] }>(
			`${this.#deployment.peopleUrl}/api/approvals`,
			{
				token: this.#deployment.operatorToken,
			},
		);
		return new Map(approvals.filter((one) => one.principal === principal).map(({ callId, expiresAtMs }) => [callId, expiresAtMs]));
	}

	/** The names of all tools that the gateway knows, also of those that nobody may see. */
	async tools(): Promise<string[]> {
		const { tools } = await json<{ tools: { listedName: string }[] }>(`${this.#deployment.peopleUrl}/api/tools`, {
			token: this.#deployment.operatorToken,
		});
		return tools.map(({ listedName }) => listedName);
	}

	/**
	 * Resolves when the gateway sees every upstream. For some seconds it may answer for one that is back that it is down.
	 * @throws {UsageError} it does not see one
	 */
	async untilUpstreamsSeen(signal: AbortSignal): Promise<void> {
		const deadline = Date.now() + SEEN_TIMEOUT_MS;
		for (;;) {
			const { parts } = await json<{ parts: { part: string; isReady: boolean; says: string }[] }>(`${this.#deployment.peopleUrl}/readyz`, {
				signal,
			});
			const unseen = parts.find(({ part, isReady }) => part.startsWith('upstream ') && !isReady);
			if (unseen === undefined) return;
			if (Date.now() > deadline) throw new UsageError(`the gateway does not reach its ${unseen.part}: ${unseen.says}`);
			await wait(SEEN_INTERVAL_MS, undefined, { signal });
		}
	}

	ledger(): Promise<Ledger> {
		return json(`${this.#deployment.urls.localstripe}/_ledger`);
	}

	/** The fake Stripe as it was seeded. */
	async resetLedger(): Promise<void> {
		await json(`${this.#deployment.urls.localstripe}/_reset`, { method: 'POST' });
	}

	/** Writes into a charge's description, as whoever buys something can. */
	async describeCharge(id: string, description: string): Promise<void> {
		await json(`${this.#deployment.urls.localstripe}/_charges/${id}`, { method: 'POST', body: new URLSearchParams({ description }) });
	}

	async larkMode(mode: LarkMode): Promise<void> {
		await json(`${this.#deployment.urls['mock-lark']}/_mode`, { method: 'POST', body: { mode } });
	}

	async currentLarkMode(): Promise<LarkMode> {
		const { mode } = await json<{ mode: LarkMode }>(`${this.#deployment.urls['mock-lark']}/_mode`);
		return mode;
	}

	/** Texts and cards that the fake Lark has received, as JSON texts. */
	async messages(): Promise<string[]> {
		const messages = await json<object[]>(`${this.#deployment.urls['mock-lark']}/_messages`);
		return messages.map((message) => JSON.stringify(message));
	}
}
