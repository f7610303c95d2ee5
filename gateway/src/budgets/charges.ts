import { createHash } from 'node:crypto';
import type { BudgetCharge, BudgetDemand, BudgetDimension, Capability, DecidedRequest } from '../domain.ts';
import { PolicyError } from '../errors.ts';
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
		demandWhole(demand);
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
			cost: total(rule, cost, same?.cost ?? 0),
			windowEndMs: endMs,
			isAttempt: unit === ATTEMPTS,
			...(settle === undefined ? {} : { settlePointer: settle.pointer }),
			...(message === undefined ? {} : { message }),
		});
	}
	return [...byKey.values()];
}

/** The policy's answer has been checked by its schema; what is reserved does not rest on that. */
function demandWhole({ rule, limit, cost }: BudgetDemand): void {
	for (const [name, value] of Object.entries({ limit, cost })) {
		if (!Number.isSafeInteger(value) || value < 0)
			throw new PolicyError(`the ${name} of the budget ${rule} is ${String(value)}; expected a whole number from 0 to 2^53 - 1`);
	}
}

function total(rule: string, cost: number, more: number): number {
	if (!Number.isSafeInteger(cost + more)) throw new PolicyError(`the costs of the budget ${rule} come to more than 2^53 - 1`);
	return cost + more;
}

/** The beginning that a budget's keys have in common, whatever the window; of a key that is told by its digest, all of it. */
export function withoutWindow(key: string): string {
	try {
		const parts = JSON.parse(key) as unknown;
		if (Array.isArray(parts) && parts.length > 2) return `${JSON.stringify(parts.slice(0, -1)).slice(0, -1)},`;
	} catch {
		// A digest.
	}
	return key;
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
