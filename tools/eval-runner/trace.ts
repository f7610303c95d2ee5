/** One event of the trail as the gateway's API gives it; only what a trace needs. */
export interface TrailEvent {
	readonly kind: string;
	readonly callId?: string;
	readonly tool?: string;
	readonly decision?: string;
	readonly outcome?: string;
	/** What admission made of an intent: `granted`, or why it was refused. */
	readonly admission?: string;
	readonly approvalId?: string;
	readonly timeMs?: number;
	readonly input?: { readonly arguments?: unknown };
	readonly [field: string]: unknown;
}

/** One call as a trace shows it: the first decision, then what followed. */
export interface CallTrace {
	readonly callId: string;
	readonly tool: string;
	readonly words: readonly string[];
	/** When each word was recorded, in milliseconds on the gateway's clock. */
	readonly wordsAtMs: readonly number[];
	readonly events: readonly TrailEvent[];
	/** Has it ended, or is something still to come. */
	readonly isOver: boolean;
}

/** The calls of a trail in the order they began; `events` oldest first. */
export function tracesOf(events: readonly TrailEvent[]): CallTrace[] {
	const calls = new Map<string, TrailEvent[]>();
	for (const event of events) {
		if (event.callId === undefined) continue;
		const of = calls.get(event.callId);
		if (of === undefined) calls.set(event.callId, [event]);
		else of.push(event);
	}
	return [...calls].map(([callId, of]) => {
		const words: string[] = [];
		const wordsAtMs: number[] = [];
		let hasEnded = false;
		for (const event of of) {
			// What becomes of an approval when the hold of the call is over is the story of a later call.
			if (hasEnded && event.kind === 'approval') continue;
			hasEnded ||= isLast(event) && event.admission !== 'unclaimable';
			for (const word of [
				...wordsOf(event, words),
				...(event === of.at(-1) && event.admission === 'unclaimable' ? ['approvalRequired'] : []),
			]) {
				if (word === words.at(-1)) continue;
				words.push(word);
				wordsAtMs.push(event.timeMs ?? 0);
			}
		}
		return { callId, tool: of.find(({ tool }) => tool !== undefined)?.tool ?? '?', words, wordsAtMs, events: of, isOver: of.some(isLast) };
	});
}

const isRefusedInAdmission = ({ kind, admission }: TrailEvent): boolean => kind === 'intent' && admission !== 'granted';
const isLast = (event: TrailEvent): boolean => event.kind === 'outcome' || event.kind === 'refusal' || isRefusedInAdmission(event);

/** The words that an event adds to its call. */
function wordsOf(event: TrailEvent, soFar: readonly string[]): string[] {
	const { kind, decision, outcome, approvalId } = event;
	if (kind === 'intent') {
		if (event.admission === 'budgetExceeded') return ['budgetExceeded'];
		// What follows an approval is admitted anew; its `allow` says nothing that `approved` has not said.
		return soFar.length === 0 ? ['allow'] : approvalId === undefined || soFar.includes('approved') ? [] : ['approved'];
	}
	const first = decision !== undefined && !soFar.includes(decision) ? [decision] : [];
	return outcome === undefined ? first : [...first, outcome];
}

/** A final `ok` is shown only after an approval: otherwise `allow` says it. */
export function shownWords({ words }: CallTrace): readonly string[] {
	return words.at(-1) === 'ok' && !words.includes('approved') ? words.slice(0, -1) : words;
}

/** `list_recent_charges → allow, create_refund → approvalRequired → expired`; many calls of one tool are counted by their first word. */
export function traceLine(calls: readonly CallTrace[]): string {
	if (calls.length === 0) return 'no calls';
	const isStorm = calls.length > 2 && calls.every(({ tool }) => tool === calls[0]!.tool);
	const parts = calls.map((call) => (isStorm ? call.words[0]! : [call.tool, ...shownWords(call)].join(' → ')));
	const counted: { part: string; times: number }[] = [];
	for (const part of parts) {
		const last = counted.at(-1);
		if (last?.part === part) last.times++;
		else counted.push({ part, times: 1 });
	}
	return counted.map(({ part, times }) => (times > 1 ? `${times} × ${part}` : part)).join(', ');
}
