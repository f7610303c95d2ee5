import { ToolGateError } from '../errors.ts';
import { column } from '../store/event-row.ts';
import type { SqlParameter } from '../store/sql.ts';

/** What to look for; everything given must fit. */
export interface TrailFilter {
	readonly principal?: string;
	readonly agent?: string;
	readonly tool?: string;
	readonly server?: string;
	/** `budgetExceeded` finds what admission refused, and `allow` doesn't. With an outcome: what so ended after it was so decided. */
	readonly decision?: string;
	readonly outcome?: string;
	readonly rule?: string;
	readonly callId?: string;
	readonly decisionId?: string;
	readonly session?: string;
	readonly turn?: string;
	readonly kind?: string;
	/** From this time on. */
	readonly sinceMs?: number;
	/** Before this time. */
	readonly untilMs?: number;
	/** Anywhere in the event, upper and lower case alike. */
	readonly text?: string;
}

const EQUAL = {
	principal: 'principal',
	agent: 'agent',
	tool: 'tool',
	server: 'server',
	rule: 'rule',
	callId: 'call_id',
	decisionId: 'decision_id',
	session: 'session',
	turn: 'turn',
} as const satisfies Partial<Record<keyof TrailFilter, string>>;

/** The condition on `events e`, its parameters added to `parameters`. */
export function conditionOf(filter: TrailFilter, parameters: SqlParameter[]): string {
	const place = (value: SqlParameter) => `$${parameters.push(value)}`;
	const conditions = ['true'];
	for (const [name, columnName] of Object.entries(EQUAL) as [keyof typeof EQUAL, string][]) {
		const wanted = filter[name];
		if (wanted !== undefined) conditions.push(`e.${columnName} = ${place(column(wanted))}`);
	}
	// A word stands in the statement itself: only then can the planner see that an index of the rare ones has it.
	const word = (text: string) => (/^\w{1,40}$/.test(text) ? `'${text}'` : place(column(text)));
	if (filter.kind !== undefined) conditions.push(`e.kind = ${word(filter.kind)}`);
	if (filter.outcome !== undefined) conditions.push(`e.outcome = ${word(filter.outcome)}`);
	if (filter.decision !== undefined) {
		const decided = (of: string) => decisionCondition(of, filter.decision!, word);
		// The two stand in different events of a call: the outcome's is the one that fits.
		if (filter.outcome === undefined) conditions.push(decided('e'));
		else conditions.push(`(${decided('e')} OR EXISTS (SELECT FROM events d WHERE d.call_id = e.call_id AND ${decided('d')}))`);
	}
	if (filter.sinceMs !== undefined) conditions.push(`e.time_ms >= ${place(filter.sinceMs)}`);
	if (filter.untilMs !== undefined) conditions.push(`e.time_ms < ${place(filter.untilMs)}`);
	// The body is JSON: what is looked for stands in it as JSON writes it.
	if (filter.text !== undefined)
		conditions.push(
			`e.body ILIKE ${place(
				`%${JSON.stringify(filter.text)
					.slice(1, -1)
					.replaceAll(/[\\%_]/g, '\\$&')}%`,
			)}`,
		);
	return conditions.join(' AND ');
}

/** Looked through at once, where no index finds what is wanted. */
export const LOOKED_THROUGH = 20_000;

/**
 * What indexes find, and what is then sifted out of it: a text stands anywhere in an event, and how a call was decided stands in another event than
 * how it ended. Whoever sifts looks through {LOOKED_THROUGH} at once, and goes on from there.
 */
export function siftOf(filter: TrailFilter): { readonly found: TrailFilter; readonly sift?: TrailFilter } {
	const { text, decision, ...rest } = filter;
	const isPaired = decision !== undefined && filter.outcome !== undefined;
	const found = decision === undefined || isPaired ? rest : { ...rest, decision };
	if (text === undefined && !isPaired) return { found };
	return {
		found,
		sift: { ...(text === undefined ? {} : { text }), ...(isPaired ? { decision, outcome: filter.outcome } : {}) },
	};
}

function decisionCondition(of: string, decision: string, word: (text: string) => string): string {
	if (decision === 'budgetExceeded') return `(${of}.decision = 'budgetExceeded' OR ${of}.admission = 'budgetExceeded')`;
	return `(${of}.decision = ${word(decision)} AND ${of}.admission NOT IN ('budgetExceeded', 'unclaimable'))`;
}

/** A place between two events, for the next page. */
export interface Cursor {
	readonly timeMs: number;
	readonly stream: string;
	readonly sequence: number;
}

export function writeCursor({ timeMs, stream, sequence }: Cursor): string {
	return Buffer.from(JSON.stringify([timeMs, stream, sequence])).toString('base64url');
}

/** @throws {ToolGateError} BAD_INPUT */
export function readCursor(text: string): Cursor {
	try {
		const [timeMs, stream, sequence] = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[];
		if (Number.isSafeInteger(timeMs) && typeof stream === 'string' && Number.isSafeInteger(sequence)) {
			return { timeMs: timeMs as number, stream, sequence: sequence as number };
		}
	} catch {
		// Told below, like any other text that is no cursor.
	}
	throw new ToolGateError('BAD_INPUT', 'cursor: expected the `next` of an earlier page');
}
