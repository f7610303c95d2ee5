import { ToolGateError } from '../errors.ts';

export interface FloodLimits {
	/** Requests under way: of one principal, and of all. Streams of a GET don't count. */
	readonly requestsPerPrincipal: number;
	readonly requests: number;
	/** Bytes of bodies being read. */
	readonly bodyBytes: number;
}

/** Refuses early, before a body is read or parsed: memory stays bounded whoever sends how much. */
export class FloodControl {
	readonly #limits: FloodLimits;
	readonly #byPrincipal = new Map<string, number>();
	#requests = 0;
	#bodyBytes = 0;

	constructor(limits: FloodLimits) {
		this.#limits = limits;
	}

	/**
	 * Lets a request in. `bodyRead` gives back the bytes once the body is parsed, `done` everything; both may be called more than once.
	 * @throws {ToolGateError} TOO_MANY
	 */
	enter(principalId: string, bodyBytes: number): { bodyRead(): void; done(): void } {
		const own = this.#byPrincipal.get(principalId) ?? 0;
		if (own >= this.#limits.requestsPerPrincipal)
			throw new ToolGateError('TOO_MANY', `${own} requests of ${principalId} are under way; try again in a moment`);
		if (this.#requests >= this.#limits.requests || this.#bodyBytes + bodyBytes > this.#limits.bodyBytes) {
			throw new ToolGateError('TOO_MANY', 'ToolGate is busy; try again in a moment');
		}
		this.#byPrincipal.set(principalId, own + 1);
		this.#requests++;
		this.#bodyBytes += bodyBytes;
		let heldBytes = bodyBytes;
		let isDone = false;
		const bodyRead = (): void => {
			this.#bodyBytes -= heldBytes;
			heldBytes = 0;
		};
		const done = (): void => {
			bodyRead();
			if (isDone) return;
			isDone = true;
			this.#requests--;
			const left = (this.#byPrincipal.get(principalId) as number) - 1;
			if (left === 0) this.#byPrincipal.delete(principalId);
			else this.#byPrincipal.set(principalId, left);
		};
		return { bodyRead, done };
	}
}
