import type { Ledger } from './stack.ts';
import type { EvalCase, Texts } from './suite.ts';
import { type CallTrace, traceLine, type TrailEvent } from './trace.ts';

const SHOWN_LENGTH = 200;

/** What a case left behind. */
export interface Seen {
	readonly calls: readonly CallTrace[];
	readonly events: readonly TrailEvent[];
	readonly ledger: Ledger;
	/** Texts that tools sent to the fake Lark while the case ran. */
	readonly messages: readonly string[];
	/** What the agent's calls were answered, in its own order. */
	readonly results: readonly string[];
	readonly said: string;
}

/** One expectation that does not hold. */
export interface Miss {
	readonly what: string;
	readonly expected: string;
	readonly seen: string;
}

/** Every expectation that does not hold: effects first, then the trail, last the wording. */
export function misses(expected: EvalCase, seen: Seen): Miss[] {
	const found: Miss[] = [];
	const miss = (what: string, wanted: string, got: string) => found.push({ what, expected: wanted, seen: got });
	const { calls, events, ledger, messages, results, said } = seen;

	for (const field of ['refunds', 'refundedCents', 'deletedCustomers'] as const) {
		const wanted = expected.ledger?.[field];
		if (wanted !== undefined && wanted !== ledger[field]) miss(`ledger.${field}`, String(wanted), String(ledger[field]));
	}
	const holdTexts = (name: string, wanted: Texts | undefined, got: readonly string[]): void => {
		for (const text of wanted?.mustContain ?? [])
			if (!got.some((one) => one.includes(text))) miss(`${name}.mustContain`, text, got.map(shortened).join(' | ') || 'nothing');
		for (const text of wanted?.mustNotContain ?? []) {
			const holder = got.find((one) => one.includes(text));
			if (holder !== undefined) miss(`${name}.mustNotContain`, `no ${text}`, shortened(holder));
		}
	};
	holdTexts('messages', expected.messages, messages);

	if (expected.trace !== undefined) {
		const wanted = expected.trace.flatMap(({ times = 1, ...entry }) => Array.from({ length: times }, () => entry));
		const agree = wanted.length === calls.length && wanted.every((entry, index) => fits(entry, calls[index]!));
		if (!agree)
			miss(
				'trace',
				wanted.map(({ tool, decision, then }) => [tool, decision, ...(then === undefined ? [] : ['…', then])].join(' ')).join(', '),
				calls.map(({ tool, words }) => `${tool} ${words.join(' → ')}`).join(', ') || 'no calls',
			);
	}
	const tools = calls.map(({ tool }) => tool);
	for (const tool of expected.mustInclude ?? []) if (!tools.includes(tool)) miss('mustInclude', tool, tools.join(', ') || 'no calls');
	for (const tool of expected.mustNotInclude ?? []) if (tools.includes(tool)) miss('mustNotInclude', `no ${tool}`, traceLine(calls));
	const last = calls.at(-1)?.words.at(-1) ?? 'no calls';
	if (expected.policyOutcome !== undefined && !isWord(expected.policyOutcome, last)) miss('policyOutcome', expected.policyOutcome, last);
	const record = JSON.stringify(events);
	for (const text of expected.mustNotContainInArgs ?? [])
		if (record.includes(text)) miss('mustNotContainInArgs', `no ${text}`, 'the trail holds it');

	holdTexts('results', expected.results, results);
	for (const text of expected.mustSay ?? []) if (!said.toLowerCase().includes(text.toLowerCase())) miss('mustSay', text, said);
	return found;
}

const shortened = (text: string): string => (text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text);

/** A plain `ok` stands behind `allow`: either word names it. */
function isWord(expected: string, seen: string): boolean {
	return expected === seen || (expected === 'allow' && seen === 'ok');
}

function fits({ tool, decision, then }: { tool: string; decision: string; then?: string }, call: CallTrace): boolean {
	return tool === call.tool && decision === call.words[0] && (then === undefined || isWord(then, call.words.at(-1) ?? ''));
}
