import { LineSplitter } from './line-splitter.ts';

const MAX_LINE_BYTES = 1_000;
/** More lines in a second are counted, not passed on. */
const LINES_PER_SECOND = 20;
const FLOOD_LINES = 1_000;

/** What a process writes on its standard error: line by line for the log, with bounds on their length and number. */
export class ErrorOutput {
	readonly #onLine: (line: string) => void;
	readonly #onFlood: (says: string) => void;
	readonly #splitter = new LineSplitter(
		MAX_LINE_BYTES,
		(line) => this.#take(line),
		() => this.#take(Buffer.from('(a line that is too long)')),
	);
	#second = 0;
	#count = 0;
	/** The last line, for whoever asks why the process ended. */
	last: string | undefined;

	/** `onFlood` is called once in each second in which there was far too much. */
	constructor(onLine: (line: string) => void, onFlood: (says: string) => void) {
		this.#onLine = onLine;
		this.#onFlood = onFlood;
	}

	push(chunk: Buffer): void {
		this.#splitter.push(chunk);
	}

	#take(bytes: Buffer): void {
		const second = Math.floor(performance.now() / 1_000);
		if (second !== this.#second) {
			if (this.#count > LINES_PER_SECOND) this.#onLine(`(${this.#count - LINES_PER_SECOND} more lines)`);
			this.#second = second;
			this.#count = 0;
		}
		if (++this.#count === FLOOD_LINES) this.#onFlood(`it floods its standard error: more than ${FLOOD_LINES} lines in a second`);
		if (this.#count > LINES_PER_SECOND) return;
		const line = bytes
			.toString()
			.replaceAll(/[\0-\x1f\x7f-\x9f]/g, ' ')
			.trim();
		if (line === '') return;
		this.last = line;
		this.#onLine(line);
	}
}
