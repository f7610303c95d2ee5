import moment from 'moment-timezone';
import type { BudgetPeriod } from '../domain.ts';
import { PolicyError } from '../errors.ts';

/** The window of a budget that a moment falls into. */
export interface BudgetWindow {
	/** Names the window in the budget's key: two moments with one label share the budget. */
	readonly label: string;
	readonly endMs: number;
}

/** Whose turn or session it is, where the period is one of them. */
export interface WindowOwner {
	readonly principal: string;
	readonly agent: string;
	readonly session?: string;
	readonly turn?: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A turn that the agent doesn't name, so that a plain client isn't locked out. */
const UNNAMED_TURN_MS = 5 * MINUTE_MS;
/** Turns and sessions have no end of their own: their budget is kept for a day after its last use. */
const KEPT_MS = DAY_MS;

/**
 * Windows are fixed, aligned to UTC or, for hours, days and months, to the time zone's own clock.
 * @throws {PolicyError} the time zone is not known
 */
export function windowOf(period: BudgetPeriod, nowMs: number, owner: WindowOwner, timezone = 'UTC'): BudgetWindow {
	switch (period) {
		case 'minute':
			return aligned(period, nowMs, MINUTE_MS);
		case 'hour':
		case 'day':
		case 'month':
			return calendar(period, nowMs, timezone);
		case 'turn': {
			const { principal, agent, session = '', turn } = owner;
			// A turn belongs to its principal and agent: others may use the same name for theirs.
			if (turn !== undefined) return { label: labelOf('turn', principal, agent, turn), endMs: nowMs + KEPT_MS };
			const { label, endMs } = aligned('turn', nowMs, UNNAMED_TURN_MS);
			return { label: labelOf(label, principal, agent, session), endMs };
		}
		case 'session': {
			const { principal, agent, session = '' } = owner;
			return { label: labelOf('session', principal, agent, session), endMs: nowMs + KEPT_MS };
		}
		default:
			return aligned(`${period} s`, nowMs, period * 1_000);
	}
}

const labelOf = (...parts: string[]): string => JSON.stringify(parts);

function aligned(name: string, nowMs: number, lengthMs: number, offsetMs = 0): BudgetWindow {
	const startMs = Math.floor((nowMs + offsetMs) / lengthMs) * lengthMs - offsetMs;
	return { label: `${name} ${new Date(startMs).toISOString()}`, endMs: startMs + lengthMs };
}

function calendar(unit: 'hour' | 'day' | 'month', nowMs: number, timezone: string): BudgetWindow {
	// Most budgets are in UTC, where an hour and a day are plain arithmetic.
	if (timezone === 'UTC' && unit !== 'month') return aligned(unit, nowMs, unit === 'hour' ? HOUR_MS : DAY_MS);
	const zone = moment.tz.zone(timezone);
	if (zone === null) throw new PolicyError(`a budget is in an unknown time zone ${timezone}`);
	// An hour is always an hour; only where it begins depends on the zone.
	if (unit === 'hour') return aligned(unit, nowMs, HOUR_MS, -zone.utcOffset(nowMs) * MINUTE_MS);
	const start = moment.tz(nowMs, timezone).startOf(unit);
	return { label: `${unit} ${start.toISOString()}`, endMs: start.clone().add(1, unit).startOf(unit).valueOf() };
}
