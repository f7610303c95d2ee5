import type { JsonValue } from '../domain.ts';
import type { RecordedEvent } from './recorded-event.ts';

export type { RecordedEvent } from './recorded-event.ts';
export { traceOf, traceWords } from './trace.ts';

/** How words and foreign text are shown on a terminal. */
export interface LineStyle {
	/** Colours a word of the trail. */
	readonly paint: (word: string) => string;
	/** Makes text from outside safe to print. */
	readonly safe: (text: string) => string;
}

const PLAIN: LineStyle = { paint: (word) => word, safe: (text) => text };
const TOOL_WIDTH = 22;
const WORD_WIDTH = 16;
const MAX_MESSAGE_CHARACTERS = 120;
const SHOWN_ID_CHARACTERS = 8;

/** One event as one readable line: when, which tool, the word, who, why, and the beginning of the call's id. */
export function eventLine(event: RecordedEvent, { paint, safe }: LineStyle = PLAIN, nowMs: number = Date.now()): string {
	const word = wordOf(event);
	const subject = safe(event.tool ?? event.kind);
	const who = [event.principal, event.agent]
		.filter((part) => part !== undefined)
		.map(safe)
		.join(' / ');
	return [
		timeOf(event.timeMs, nowMs),
		subject.padEnd(TOOL_WIDTH),
		paint(word) + ' '.repeat(Math.max(0, WORD_WIDTH - word.length)),
		...(who === '' ? [] : [who]),
		...saying(event).map(safe),
		...(event.callId === undefined ? [] : [`call ${safe(event.callId.slice(0, SHOWN_ID_CHARACTERS))}`]),
	].join('  ');
}

/** The one word of an event: what it adds to its call. */
export function wordOf({ kind, decision, outcome, admission, detail }: RecordedEvent): string {
	if (kind === 'intent' && admission !== 'granted' && admission !== '') return admission;
	return outcome ?? decision ?? (kind === 'approval' && typeof detail?.['attempt'] === 'string' ? detail['attempt'] : kind);
}

function saying({ kind, rule, message, detail }: RecordedEvent): string[] {
	const parts: string[] = [];
	if (kind === 'approval') {
		if (typeof detail?.['by'] === 'string')
			parts.push(`by ${detail['by']}${typeof detail['via'] === 'string' ? ` (${detail['via']})` : ''}`);
		if (typeof detail?.['refused'] === 'string') parts.push(`refused: ${detail['refused']}`);
		if (isPositive(detail?.['missing'])) parts.push(`${detail['missing']} more needed`);
	}
	if (kind === 'outcome' && typeof detail?.['durationMs'] === 'number') parts.push(`${detail['durationMs']} ms`);
	const why = [kind === 'approval' ? undefined : rule, message].filter((part) => part !== undefined).join(': ');
	if (why !== '') parts.push(why.length > MAX_MESSAGE_CHARACTERS ? `${why.slice(0, MAX_MESSAGE_CHARACTERS)}…` : why);
	return parts;
}

const isPositive = (value: JsonValue | undefined): value is number => typeof value === 'number' && value > 0;

/** Local time; with the date where it is not today's. */
function timeOf(ms: number, nowMs: number): string {
	const time = new Date(ms);
	const two = (part: number) => String(part).padStart(2, '0');
	const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
	return time.toDateString() === new Date(nowMs).toDateString()
		? clock
		: `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}
