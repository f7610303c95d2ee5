import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import { type RequestId, type RpcResponse, withoutOwnMeta } from '../message.ts';

/** The agent can't be asked any more. */
export class AgentGone extends Error {
	override readonly name = 'AgentGone';
}

interface Question {
	resolve(answer: JsonObject): void;
	reject(why: Error): void;
}

const INTERNAL_ERROR = -32603;

/** What upstreams have asked one agent session and it has not answered yet, by ids of ours: upstreams choose theirs without knowing of each other. */
export class Questions {
	readonly #open = new Map<RequestId, Question>();
	#isClosed = false;

	/**
	 * Sends a request of an upstream and waits for the agent's `{result}` or `{error}`. When `signal` fires, the agent is told that it need not answer.
	 * @throws {AgentGone}
	 */
	async ask(message: JsonObject, signal: AbortSignal, send: (message: JsonObject) => void): Promise<JsonObject> {
		if (signal.aborted) throw new AgentGone('the question was taken back');
		if (this.#isClosed) throw new AgentGone('the agent can not answer any more');
		const id = randomUUID();
		const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
		const withdraw = () => {
			send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
			reject(new AgentGone('the question was taken back'));
		};
		this.#open.set(id, { resolve, reject });
		signal.addEventListener('abort', withdraw, { once: true });
		try {
			send({ ...message, id });
			return await promise;
		} finally {
			this.#open.delete(id);
			signal.removeEventListener('abort', withdraw);
		}
	}

	/** Takes the agent's response; false when it answers nothing that is open. */
	answer({ id, message }: RpcResponse): boolean {
		const question = this.#open.get(id);
		if (question === undefined) return false;
		const { result, error } = message;
		if (isObject(result)) question.resolve({ result: withoutOwnMeta(result) });
		else if (isObject(error) && Number.isSafeInteger(error['code']) && typeof error['message'] === 'string') question.resolve({ error });
		else question.resolve({ error: { code: INTERNAL_ERROR, message: 'the agent answered with neither a result nor an error' } });
		return true;
	}

	/** No answer will come any more: the session has ended, or the gateway is about to. */
	close(): void {
		this.#isClosed = true;
		for (const { reject } of this.#open.values()) reject(new AgentGone('the agent can not answer any more'));
	}
}
