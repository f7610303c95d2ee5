import type { TrailEvent } from '../domain.ts';
import type { SqlRow } from '../store/sql.ts';

/** What admission made of an intent: recorded beside the event, and chained with it. Empty where it had no say. */
export type AdmissionWord = '' | 'granted' | 'budgetExceeded' | 'unclaimable' | 'late';

/** An event with its place in the trail. */
export interface RecordedEvent extends TrailEvent {
	/** The process that wrote it. */
	readonly stream: string;
	/** From 1 without holes, in its stream. */
	readonly sequence: number;
	readonly admission: AdmissionWord;
	/** Hex. */
	readonly hash: string;
}

export interface EventRecord extends SqlRow {
	stream: string;
	sequence: number;
	admission: AdmissionWord;
	body: string;
	hash: Uint8Array;
}

export const RECORD_COLUMNS = 'e.stream, e.sequence, e.admission, e.body, e.hash';

export function recordedEvent({ stream, sequence, admission, body, hash }: EventRecord): RecordedEvent {
	return { ...(JSON.parse(body) as TrailEvent), stream, sequence, admission, hash: Buffer.from(hash).toString('hex') };
}
