import { styleText } from 'node:util';

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const INTERVAL_MS = 100;

/** One line at the bottom of a terminal that says what happens, and for how long; nothing where no person watches. */
export class Progress {
	readonly #out: NodeJS.WriteStream;
	readonly #running = new Map<string, number>();
	#note: { text: string; since: number } | undefined;
	#timer: NodeJS.Timeout | undefined;
	#frame = 0;

	constructor(out: NodeJS.WriteStream = process.stderr) {
		this.#out = out;
		if (out.isTTY) this.#timer = setInterval(() => this.#draw(), INTERVAL_MS).unref();
	}

	/** What happens while no case runs. */
	note(text: string): void {
		this.#note = { text, since: performance.now() };
	}

	begin(name: string): void {
		this.#note = undefined;
		this.#running.set(name, performance.now());
	}

	end(name: string): void {
		this.#running.delete(name);
	}

	/** Prints above the line. */
	print(text: string): void {
		this.#clear();
		console.log(text);
	}

	stop(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
		this.#clear();
	}

	#clear(): void {
		if (this.#out.isTTY) this.#out.write('\r\u001b[2K');
	}

	#draw(): void {
		const doing =
			this.#running.size > 0 ? [...this.#running] : this.#note === undefined ? [] : [[this.#note.text, this.#note.since] as const];
		if (doing.length === 0) return;
		this.#frame = (this.#frame + 1) % FRAMES.length;
		const oldest = Math.min(...doing.map(([, since]) => since));
		const elapsed = `${((performance.now() - oldest) / 1000).toFixed(1)} s`;
		const room = (this.#out.columns || 80) - elapsed.length - 6;
		const names = doing.map(([name]) => name).join(', ');
		const shown = names.length > room ? `${names.slice(0, Math.max(0, room - 1))}…` : names;
		this.#clear();
		this.#out.write(
			`${styleText('cyan', FRAMES[this.#frame]!, { stream: this.#out })} ${shown}  ${styleText('dim', elapsed, { stream: this.#out })}`,
		);
	}
}
