import { canonicalJson } from '../canonical-json.ts';
import type { JsonObject, JsonValue } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import type { ChainedEvent } from './chain-check.ts';

export interface StreamHead {
	readonly stream: string;
	readonly sequence: number;
	readonly hash: string;
}

export interface ExportHeader {
	readonly exportedAtMs: number;
	/** False: filtered. */
	readonly isWhole: boolean;
	readonly streams: readonly StreamHead[];
}

/** What one line of an export says. */
export type ExportLine =
	| { readonly kind: 'export'; readonly header: ExportHeader }
	| { readonly kind: 'checkpoint'; readonly line: string }
	| { readonly kind: 'event'; readonly stream: string; readonly event: ChainedEvent }
	| { readonly kind: 'end'; readonly events: number }
	| { readonly kind: 'unreadable'; readonly why: string };

const MAX_LINE_BYTES = 64 * 1024 * 1024;
const NEW_LINE = 10;
const EVENT_BEGIN = Buffer.from('{"stream":');
const BODY_BEGIN = Buffer.from(',"event":');

/** The lines of a stream of bytes, without their ends. @throws {ToolGateError} BAD_INPUT: a line is too long to be one of ours */
export async function* splitLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
	let rest: Buffer = Buffer.alloc(0);
	for await (const bytes of source) {
		const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		const chunk = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
		let begin = 0;
		for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, begin)) {
			yield chunk.subarray(begin, end);
			begin = end + 1;
		}
		rest = chunk.subarray(begin);
		if (rest.length > MAX_LINE_BYTES)
			throw new ToolGateError('BAD_INPUT', `a line is longer than ${MAX_LINE_BYTES} bytes: this is no export of the audit trail`);
	}
	if (rest.length > 0) yield rest;
}

export function readExportLine(bytes: Buffer): ExportLine {
	try {
		return bytes.subarray(0, EVENT_BEGIN.length).equals(EVENT_BEGIN)
			? eventAsWritten(bytes)
			: readParsed(JSON.parse(bytes.toString()) as JsonValue);
	} catch {
		return { kind: 'unreadable', why: 'it is not JSON' };
	}
}

/** The quick way: the body is not parsed, because its bytes are what is hashed. */
function eventAsWritten(bytes: Buffer): ExportLine {
	const at = bytes.indexOf(BODY_BEGIN);
	const end = bytes.at(-1) === 13 ? bytes.length - 2 : bytes.length - 1;
	if (at === -1 || bytes[end] !== 0x7d) return readParsed(JSON.parse(bytes.toString()) as JsonValue);
	const place = JSON.parse(`${bytes.toString('utf8', 0, at)}}`) as JsonObject;
	return eventOf(place, bytes.subarray(at + BODY_BEGIN.length, end));
}

function readParsed(value: JsonValue): ExportLine {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'unreadable', why: 'it is not a JSON object' };
	const { export: header, checkpoint, event, end, ...place } = value;
	// Whoever wrote the line anew may have ordered its members anew: canonical JSON brings them back.
	if (isObject(event)) return eventOf(place, canonicalJson(event));
	if (isObject(checkpoint)) return { kind: 'checkpoint', line: JSON.stringify(checkpoint) };
	if (isObject(header)) return headerOf(header);
	if (isObject(end) && Number.isSafeInteger(end['events'])) return { kind: 'end', events: end['events'] as number };
	return { kind: 'unreadable', why: 'it is neither header, checkpoint, event nor end' };
}

function eventOf(place: JsonObject, body: string | Buffer): ExportLine {
	const { stream, sequence, admission, hash, ...more } = place;
	const isWhole =
		typeof stream === 'string' &&
		Number.isSafeInteger(sequence) &&
		typeof admission === 'string' &&
		typeof hash === 'string' &&
		Object.keys(more).length === 0;
	if (!isWhole) return { kind: 'unreadable', why: 'a member of the event is missing, unknown or of the wrong type' };
	return { kind: 'event', stream, event: { sequence: sequence as number, admission, hash, body } };
}

function headerOf({ version, exportedAtMs, isWhole, streams = [] }: JsonObject): ExportLine {
	if (version !== 1) return { kind: 'unreadable', why: `its version is ${JSON.stringify(version)}; expected 1` };
	const heads =
		Array.isArray(streams) &&
		streams.every(
			(head) =>
				isObject(head) && typeof head['stream'] === 'string' && Number.isSafeInteger(head['sequence']) && typeof head['hash'] === 'string',
		);
	if (!Number.isSafeInteger(exportedAtMs) || typeof isWhole !== 'boolean' || !heads)
		return { kind: 'unreadable', why: 'a member of the header is missing or of the wrong type' };
	return { kind: 'export', header: { exportedAtMs: exportedAtMs as number, isWhole, streams: streams as unknown as StreamHead[] } };
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
	typeof value === 'object' && value !== null && !Array.isArray(value);
