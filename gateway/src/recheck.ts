import { canonicalJson } from './canonical-json.ts';
import type { DecisionDocument, JsonObject, JsonValue, TrailEvent } from './domain.ts';
import { PolicyError } from './errors.ts';
import { pointerSteps } from './json-pointer.ts';

/** What a decision comes to, as far as the trail records it. */
export interface Verdict {
	readonly verdict: 'allow' | 'deny' | 'approvalRequired';
	/** The rule that led, where the call was not simply let through. */
	readonly rule?: string;
	/** What it takes from budgets. */
	readonly budgets: readonly { readonly rule: string; readonly unit: string; readonly limit: number; readonly cost: number }[];
}

/** A recorded decision, decided again. */
export type Recheck =
	| { readonly kind: 'same'; readonly revision: string; readonly recorded: Verdict }
	| { readonly kind: 'differs'; readonly revision: string; readonly recorded: Verdict; readonly now: Verdict | string }
	/** `paths`: JSON Pointers into the input that a rule reads and that were not recorded as they were. */
	| { readonly kind: 'not reproducible'; readonly revision: string; readonly why: string; readonly paths: readonly string[] }
	/** It takes the bundle of this revision, and another one is at hand, or none. */
	| { readonly kind: 'other bundle'; readonly revision: string; readonly atHand?: string };

/** Decides under exactly one bundle revision. */
interface Decider {
	readonly revision: string;
	/** @throws {PolicyError} */
	call(input: JsonObject): DecisionDocument;
}

/**
 * Decides a recorded decision again, under the bundle that decided it.
 * @param events of one decision
 * @returns undefined when none of the events holds a decision
 */
export function recheck(events: readonly TrailEvent[], decider: Decider | undefined): Recheck | undefined {
	const event = events.find(({ kind, input }) => input !== undefined && (kind === 'decision' || kind === 'intent' || kind === 'refusal'));
	const { revision, input } = event ?? {};
	if (event === undefined || input === undefined || revision === undefined) return undefined;
	const recorded = recordedVerdict(events);
	if (!('arguments' in input))
		return {
			kind: 'not reproducible',
			revision,
			why: 'the arguments were not recorded, because nothing was decided about the call',
			paths: ['/arguments'],
		};
	if (recorded === undefined)
		return { kind: 'not reproducible', revision, why: 'the call ended before its verdict was recorded', paths: [] };
	if (decider?.revision !== revision)
		return { kind: 'other bundle', revision, ...(decider === undefined ? {} : { atHand: decider.revision }) };

	const now = decide(decider, input);
	const read = redactedPaths(event).filter((path) => isRead(decider, input, path, now));
	if (read.length > 0) return { kind: 'not reproducible', revision, why: 'a rule reads what was redacted', paths: read };
	return textOf(now) === textOf(recorded) ? { kind: 'same', revision, recorded } : { kind: 'differs', revision, recorded, now };
}

function recordedVerdict(events: readonly TrailEvent[]): Verdict | undefined {
	for (const { kind, decision, rule, detail } of events) {
		if (kind === 'intent') return { verdict: 'allow', budgets: inOrder((detail?.['reservations'] ?? []) as unknown as Verdict['budgets']) };
		if ((kind === 'decision' || kind === 'refusal') && (decision === 'deny' || decision === 'approvalRequired')) {
			return { verdict: decision, ...(rule === undefined ? {} : { rule }), budgets: [] };
		}
	}
	return undefined;
}

function decide(decider: Decider, input: JsonObject): Verdict | string {
	let document: DecisionDocument;
	try {
		document = decider.call(input);
	} catch (error) {
		if (error instanceof PolicyError) return error.message;
		throw error;
	}
	const { verdict, reasons, budgets } = document;
	if (verdict === 'deny' || verdict === 'approvalRequired')
		return { verdict, ...(reasons[0] === undefined ? {} : { rule: reasons[0].rule }), budgets: [] };
	// Demands of one budget are merged, as when they are reserved.
	const merged = new Map<string, Verdict['budgets'][number]>();
	for (const { rule, unit, by, per, timezone = 'UTC', limit, cost } of budgets) {
		const key = JSON.stringify([rule, unit, [...new Set(by)].sort(), per, timezone]);
		const same = merged.get(key);
		merged.set(key, { rule, unit, limit: Math.min(limit, same?.limit ?? limit), cost: cost + (same?.cost ?? 0) });
	}
	return { verdict: 'allow', budgets: inOrder([...merged.values()]) };
}

const inOrder = (budgets: Verdict['budgets']): Verdict['budgets'] =>
	budgets
		.map(({ rule, unit, limit, cost }) => ({ rule, unit, limit, cost }))
		.sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));

const textOf = (verdict: Verdict | string): string => canonicalJson(verdict as unknown as JsonValue);

/** JSON Pointers into the input. */
function redactedPaths({ detail }: TrailEvent): string[] {
	const texts = (name: string) => (detail?.[name] ?? []) as string[];
	return [
		...texts('redacted').map((path) => `/arguments${path}`),
		...texts('concealed').flatMap((path) => (path.startsWith('/input/') ? [path.slice('/input'.length)] : [])),
	];
}

/** What may have stood there: each of another type or shape. */
const SUBSTITUTES: readonly (JsonValue | undefined)[] = [undefined, '', 'a', 'zzzzzzzz', 0, 1, 1_000_000_000, true, null, [], {}];

/** Nothing tells what a rule reads; but where no substitute changes the verdict, none of what it reads stands there. */
function isRead(decider: Decider, input: JsonObject, path: string, now: Verdict | string): boolean {
	const steps = pointerSteps(path) ?? [];
	return SUBSTITUTES.some((substitute) => textOf(decide(decider, replaced(input, steps, substitute) as JsonObject)) !== textOf(now));
}

function replaced(
	value: JsonValue | undefined,
	[step, ...rest]: readonly string[],
	substitute: JsonValue | undefined,
): JsonValue | undefined {
	if (step === undefined) return substitute;
	if (Array.isArray(value)) return value.map((item, n) => (String(n) === step ? (replaced(item, rest, substitute) ?? null) : item));
	if (typeof value !== 'object' || value === null) return value;
	const { [step]: member, ...others } = value;
	const changed = replaced(member, rest, substitute);
	return changed === undefined ? others : { ...others, [step]: changed };
}
