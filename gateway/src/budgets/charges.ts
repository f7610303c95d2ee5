import { createHash } from 'node:crypto';
import type { BudgetCharge, BudgetDemand, BudgetDimension, Capability, DecidedRequest } from '../domain.ts';
import { storable } from '../store/event-row.ts';
import { windowOf } from './windows.ts';

/** A key is an index entry; longer ones are told by their digest. */
const MAX_KEY_BYTES = 1_000;
/** Attempts: spent once the intent is written. */
const ATTEMPTS = 'calls';

/**
 * What one call takes from which budgets at `nowMs` on the database's clock. Demands of one budget are merged: costs added, least limit.
 * @throws {PolicyError} a demand can't be understood
 */
export function charges(demands: readonly BudgetDemand[], call: DecidedRequest, tool: Capability, nowMs: number): BudgetCharge[] {
	const byKey = new Map<string, BudgetCharge>();
	for (const demand of demands) {
		const { rule, unit, limit, cost, by, per, timezone, settle, message } = demand;
		const { principal, agent, session } = call.caller;
		const owner = {
			principal: principal.id,
			agent: agent.id,
			...(session.id === undefined ? {} : { session: session.id }),
			...(session.turn === undefined ? {} : { turn: session.turn }),
		};
		const { label, endMs } = windowOf(per, nowMs, owner, timezone);
		const key = keyOf([
			rule,
			unit,
			...[...new Set(by)].sort().map((dimension) => `${dimension.replace(/:.*$/s, '')}=${valueOf(dimension, call, tool)}`),
			label,
		]);
		const same = byKey.get(key);
		byKey.set(key, {
			key,
			rule,
			unit,
			limit: Math.min(limit, same?.limit ?? limit),
			cost: cost + (same?.cost ?? 0),
			windowEndMs: endMs,
			isAttempt: unit === ATTEMPTS,
			...(settle === undefined ? {} : { settlePointer: settle.pointer }),
			...(message === undefined ? {} : { message }),
		});
	}
	return [...byKey.values()];
}

function valueOf(dimension: BudgetDimension, { caller }: DecidedRequest, tool: Capability): string {
	const { principal, agent, session } = caller;
	switch (dimension) {
		case 'principal':
			return principal.id;
		case 'agent':
			return agent.id;
		case 'session':
			// Without sessions it counts per principal and agent.
			return JSON.stringify([principal.id, agent.id, session.id ?? '']);
		case 'server':
			return tool.upstream;
		case 'tool':
			return `${tool.upstream}/${tool.name}`;
		default:
			return dimension.slice('value:'.length);
	}
}

/** Readable where it is short; JSON keeps the parts apart. */
function keyOf(parts: readonly string[]): string {
	const key = storable(JSON.stringify(parts));
	return Buffer.byteLength(key) <= MAX_KEY_BYTES ? key : `sha256:${createHash('sha256').update(key).digest('hex')}`;
}
