import type { TrailWord } from '../domain.ts';
import type { RecordedEvent } from './recorded-event.ts';

/** What became of one call, in words of the trail. */
export interface Trace {
	/** The first word; undefined where nothing was decided about the call. */
	readonly decision: TrailWord | undefined;
	/** The last word, `ok` included. */
	readonly then: TrailWord | undefined;
	/** As shown: the first decision, then what followed; a final `ok` only after an approval. */
	readonly words: readonly TrailWord[];
}

/** @param events of one call, oldest first */
export function traceOf(events: readonly RecordedEvent[]): Trace {
	const words: TrailWord[] = [];
	// A call ends before its approval does when its hold is over: what becomes of the approval then is the story of a later call.
	let hasEnded = false;
	let isUnclaimed = false;
	const say = (word: TrailWord | undefined) => {
		if (word !== undefined && word !== words.at(-1)) words.push(word);
	};
	for (const { kind, decision, outcome, admission, approvalId } of events) {
		switch (kind) {
			case 'decision':
				if (decision !== undefined && !words.includes(decision)) say(decision);
				break;
			case 'refusal':
				if (decision !== undefined && !words.includes(decision)) say(decision);
				say(outcome);
				[hasEnded, isUnclaimed] = [true, false];
				break;
			case 'intent':
				// An identical call that waited beside the one that asked has no approval event of its own.
				if (approvalId !== undefined && words.includes('approvalRequired') && !words.includes('approved')) say('approved');
				if (admission === 'budgetExceeded') say('budgetExceeded');
				else if (admission === 'granted' && words.length === 0) say('allow');
				hasEnded ||= admission === 'budgetExceeded';
				// The call waits on, and has another last word, where an identical one took the approval.
				isUnclaimed = admission === 'unclaimable';
				break;
			case 'outcome':
				if (admission !== 'late') say(outcome);
				[hasEnded, isUnclaimed] = [true, false];
				break;
			case 'approval':
				if (!hasEnded) say(outcome);
				break;
			case 'activation':
			case 'operator':
			case 'gap':
				// Not about a call.
				break;
		}
	}
	if (isUnclaimed) say('approvalRequired');
	const shown = words.at(-1) === 'ok' && !words.includes('approved') ? words.slice(0, -1) : words;
	return { decision: words[0], then: words.at(-1), words: shown };
}

/** The words of one call as shown: `approvalRequired → approved → ok`. */
export function traceWords(events: readonly RecordedEvent[]): readonly TrailWord[] {
	return traceOf(events).words;
}
