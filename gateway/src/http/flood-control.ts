import { ToolGateError } from '../errors.ts';

export interface FloodLimits {
	/** Requests under way: of one principal, and of all. Streams of a GET don't count. */
	readonly requestsPerPrincipal: number;
	readonly requests: number;
	/** Bytes of bodies being read: of one principal, so that slow ones of one leave room for everybody else, and of all. */
	readonly bodyBytesPerPrincipal: number;
	readonly bodyBytes: number;
}

/** Refuses early, before a body is read or parsed: memory stays bounded whoever sends how much. */
export class FloodControl {
	readonly #limits: FloodLimits;
	readonly #byPrincipal = new Map<string, { requests: number; bodyBytes: number }>();
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
		const own = this.#byPrincipal.get(principalId) ?? { requests: 0, bodyBytes: 0 };
		if (own.requests >= this.#limits.requestsPerPrincipal || own.bodyBytes + bodyBytes > this.#limits.bodyBytesPerPrincipal)
			throw new ToolGateError('TOO_MANY', `${own.requests} requests of ${principalId} are under way; try again in a moment`);
		if (this.#requests >= this.#limits.requests || this.#bodyBytes + bodyBytes > this.#limits.bodyBytes) {
			throw new ToolGateError('TOO_MANY', 'ToolGate is busy; try again in a moment');
		}
		this.#byPrincipal.set(principalId, own);
		own.requests++;
		own.bodyBytes += bodyBytes;
		this.#requests++;
		this.#bodyBytes += bodyBytes;
		let heldBytes = bodyBytes;
		let isDone = false;
		const bodyRead = (): void => {
			own.bodyBytes -= heldBytes;
			this.#bodyBytes -= heldBytes;
			heldBytes = 0;
		};
		const done = (): void => {
			bodyRead();
			if (isDone) return;
			isDone = true;
			this.#requests--;
			if (--own.requests === 0) this.#byPrincipal.delete(principalId);
		};
		return { bodyRead, done };
	}
}
