import type { TrailEvent } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { ChainCheck } from './chain-check.ts';
import { type CheckpointKey, readCheckpoint } from './checkpoint.ts';
import { CheckpointSet } from './checkpoint-set.ts';
import { type ExportHeader, readExportLine, splitLines, type StreamHead } from './export-lines.ts';
import type { VerifyReport } from './verify.ts';

export interface VerifyExportOptions {
	/** Whose checkpoints count; none: signatures are not looked at. */
	readonly keys: readonly CheckpointKey[];
	/** What the second place holds: a name for messages, and its text. */
	readonly checkpoints: readonly { readonly name: string; readonly text: string }[];
}

/** A checkpoint of another process may bear a time that is a little ahead. */
const CLOCK_SKEW_MS = 2_000;
const UNSIGNED_FOR_MS = 300_000;

/**
 * Verifies an export of the whole trail, with nothing else at hand.
 * @throws {ToolGateError} BAD_INPUT: it can't be verified at all, because it is no export, or a filtered one
 */
export async function verifyExport(
	source: AsyncIterable<Uint8Array>,
	options: VerifyExportOptions,
): Promise<VerifyReport & { readonly exportedAtMs: number }> {
	const check = new ExportCheck(options);
	let problem: string | undefined;
	for await (const line of splitLines(source)) {
		problem = check.take(line);
		if (problem !== undefined) break;
	}
	return check.report(problem ?? check.end());
}

class ExportCheck {
	readonly #options: VerifyExportOptions;
	readonly #set: CheckpointSet;
	readonly #done = new Set<string>();
	readonly #heads = new Map<string, StreamHead>();
	#header: ExportHeader | undefined;
	#line = 0;
	#events = 0;
	#unsigned = 0;
	#newer = 0;
	#isEnded = false;
	#stream: string | undefined;
	#chain = new ChainCheck([]);

	constructor(options: VerifyExportOptions) {
		this.#options = options;
		this.#set = new CheckpointSet(options.keys);
	}

	take(bytes: Buffer): string | undefined {
		this.#line++;
		const line = readExportLine(bytes);
		if (this.#header === undefined) {
			if (line.kind !== 'export')
				throw new ToolGateError(
					'BAD_INPUT',
					`line 1: expected the header of an export (toolgate audit export --format jsonl)${line.kind === 'unreadable' ? `; ${line.why}` : ''}`,
				);
			if (!line.header.isWhole)
				throw new ToolGateError(
					'BAD_INPUT',
					'line 1: this export was filtered: a chain with holes can not be verified; export without filters',
				);
			this.#header = line.header;
			for (const head of line.header.streams) this.#heads.set(head.stream, head);
			return this.#takeCheckpoints(line.header);
		}
		if (this.#isEnded) return `line ${this.#line}: something stands after the end`;
		switch (line.kind) {
			case 'event': {
				const wrong = line.stream === this.#stream ? undefined : this.#begin(line.stream, line.event.sequence);
				if (wrong !== undefined) return wrong;
				const problem = this.#chain.take(line.event);
				if (problem !== undefined) return `stream ${line.stream}, event ${problem.sequence}: ${problem.says} (line ${this.#line})`;
				this.#events++;
				return undefined;
			}
			case 'checkpoint': {
				if (this.#stream !== undefined) return `line ${this.#line}: a checkpoint stands among the events`;
				const problem = this.#set.add(line.line, `line ${this.#line}`);
				return problem && `stream ${problem.stream}, ${problem.says}`;
			}
			case 'end':
				this.#isEnded = true;
				return (
					this.#finish() ??
					(line.events === this.#events ? undefined : `line ${this.#line}: the end says ${line.events} events, there are ${this.#events}`)
				);
			case 'export':
				return `line ${this.#line}: a second header`;
			case 'unreadable':
				return `line ${this.#line}: ${line.why}`;
		}
	}

	/** What is missing altogether. */
	end(): string | undefined {
		if (this.#header === undefined) throw new ToolGateError('BAD_INPUT', 'the export is empty');
		if (!this.#isEnded) return this.#finish() ?? `line ${this.#line + 1}: missing; the export is truncated, its end does not stand there`;
		for (const stream of new Set([...this.#heads.keys(), ...this.#set.streams])) {
			if (this.#done.has(stream)) continue;
			this.#open(stream);
			const problem = this.#finish();
			if (problem !== undefined) return problem;
		}
		return undefined;
	}

	report(problem: string | undefined): VerifyReport & { exportedAtMs: number } {
		const { keys, checkpoints } = this.#options;
		const notes = [
			...(keys.length > 0
				? []
				: ['signatures were not looked at: give --key, or a trail that was made anew with checkpoints of its own is not found']),
			...(checkpoints.length > 0
				? []
				: [
						'only the checkpoints in the export were at hand: give --checkpoints, or a tail that was cut off together with them is not found',
					]),
			...(this.#newer === 0 ? [] : [`${this.#newer} checkpoints are newer than the export and say nothing about it`]),
		];
		return {
			isIntact: problem === undefined,
			streams: this.#done.size,
			events: this.#events,
			...(problem === undefined ? {} : { problem }),
			...(this.#set.lastMs === 0 ? {} : { lastCheckpointMs: this.#set.lastMs }),
			unsigned: this.#unsigned,
			exportedAtMs: this.#header!.exportedAtMs,
			notes,
		};
	}

	#takeCheckpoints({ exportedAtMs }: ExportHeader): string | undefined {
		for (const { name, text } of this.#options.checkpoints) {
			for (const [n, line] of text.split('\n').entries()) {
				if (line.trim() === '') continue;
				const checkpoint = readCheckpoint(line);
				if (typeof checkpoint !== 'string' && checkpoint.timeMs > exportedAtMs - CLOCK_SKEW_MS) {
					this.#newer++;
					continue;
				}
				const problem = this.#set.add(line, `${name}, line ${n + 1}`);
				if (problem !== undefined) return `stream ${problem.stream}, ${problem.says}`;
			}
		}
		return undefined;
	}

	#begin(stream: string, sequence: number): string | undefined {
		const problem = this.#finish();
		if (problem !== undefined) return problem;
		const where = `stream ${stream}, event ${sequence}`;
		if (this.#done.has(stream)) return `${where}: its stream has ended before: it is forked, or out of order (line ${this.#line})`;
		this.#open(stream);
		return this.#heads.has(stream) ? undefined : `${where}: the header doesn't list its stream: inserted (line ${this.#line})`;
	}

	#open(stream: string): void {
		this.#stream = stream;
		this.#chain = new ChainCheck(this.#set.of(stream));
	}

	#finish(): string | undefined {
		const stream = this.#stream;
		if (stream === undefined) return undefined;
		this.#stream = undefined;
		this.#done.add(stream);
		const cut = this.#chain.end();
		if (cut !== undefined) return `stream ${stream}, event ${cut.sequence}: ${cut.says}`;
		const { sequence, hash, signed } = this.#chain;
		this.#unsigned += sequence - signed;
		const wrong = this.#wrongUnsigned();
		if (wrong !== undefined) return `stream ${stream}, event ${signed + 1}: ${wrong}`;
		const head = this.#heads.get(stream);
		if (head === undefined) return undefined;
		if (head.sequence > sequence)
			return `stream ${stream}, event ${sequence + 1}: missing; the header says the stream ends at ${head.sequence}`;
		if (head.sequence < sequence) return `stream ${stream}, event ${head.sequence + 1}: the header says the stream ends before it`;
		return head.hash === hash ? undefined : `stream ${stream}, event ${sequence}: its hash is not the one of the header`;
	}

	/** A gateway that runs has long signed what is so old; where no checkpoint is at hand at all, nothing can be said. */
	#wrongUnsigned(): string | undefined {
		const { firstUnsigned } = this.#chain;
		if (firstUnsigned === undefined || this.#set.lastMs === 0) return undefined;
		let event: TrailEvent;
		try {
			event = JSON.parse(firstUnsigned.toString()) as TrailEvent;
		} catch {
			return 'it is not JSON';
		}
		return event.timeMs >= this.#header!.exportedAtMs - UNSIGNED_FOR_MS
			? undefined
			: 'it is old, and no checkpoint vouches for it: inserted, or made anew';
	}
}
