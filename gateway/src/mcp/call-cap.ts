import type { DecidedRequest, Outcome } from '../domain.ts';
import { refusals } from '../refusals.ts';
import type { Gate } from './exchange.ts';

/** Lets each principal have so many decided requests under way, over all its sessions and both eras; more are refused as `overloaded`. */
export class CallCap {
	readonly #gate: Pick<Gate, 'decide'>;
	readonly #perPrincipal: number;
	readonly #underWay = new Map<string, number>();

	constructor(gate: Pick<Gate, 'decide'>, perPrincipal: number) {
		this.#gate = gate;
		this.#perPrincipal = perPrincipal;
	}

	async decide(request: DecidedRequest, upstream: string | undefined): Promise<Outcome> {
		const { id } = request.caller.principal;
		const underWay = this.#underWay.get(id) ?? 0;
		if (underWay >= this.#perPrincipal) return refusals.overloaded(`${underWay} calls of ${id} are under way`);
		this.#underWay.set(id, underWay + 1);
		try {
			return await this.#gate.decide(request, upstream);
		} finally {
			const left = (this.#underWay.get(id) as number) - 1;
			if (left === 0) this.#underWay.delete(id);
			else this.#underWay.set(id, left);
		}
	}
}
