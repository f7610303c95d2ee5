import type { TrailEvent } from '../domain.ts';
import type { EventRecord } from './recorded-event.ts';

/** For spreadsheets (RFC 4180). Exact is the last column alone. */

const FIELDS = [
	'kind',
	'principal',
	'agent',
	'server',
	'tool',
	'decision',
	'outcome',
	'rule',
	'message',
	'callId',
	'decisionId',
	'intentId',
	'approvalId',
	'session',
	'turn',
	'revision',
] as const satisfies (keyof TrailEvent)[];

export const csvHeader = `${['time', 'stream', 'sequence', 'admission', ...FIELDS, 'hash', 'event'].join()}\r\n`;

export function csvRow({ stream, sequence, admission, body, hash }: EventRecord): string {
	const event = JSON.parse(body) as TrailEvent;
	const cells = [
		new Date(event.timeMs).toISOString(),
		stream,
		String(sequence),
		admission,
		...FIELDS.map((name) => event[name] ?? ''),
		Buffer.from(hash).toString('hex'),
		body,
	];
	return `${cells.map(cell).join()}\r\n`;
}

/** A text that a spreadsheet would take for a formula gets an apostrophe before it. */
function cell(text: string): string {
	const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
	return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
