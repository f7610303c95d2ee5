import { type Directive, formatArgument, type GoArgument } from './go-fmt.ts';
import { fail } from './operands.ts';

/** Text longer than this is an error: a width of a million costs a policy nothing to write. */
const maxLength = 1_000_000;

/** Go's fmt.Sprintf. */
export function sprintf(format: string, args: readonly GoArgument[]): string {
	const out: string[] = [];
	let length = 0;
	const reader = new DirectiveReader(format, args);
	for (let piece = reader.next(); piece !== undefined; piece = reader.next()) {
		length += piece.length;
		if (length > maxLength) fail();
		out.push(piece);
	}
	return out.join('');
}

/** Walks a format string: literal text and formatted directives in turn, then the note on arguments left over. */
class DirectiveReader {
	readonly #format: string;
	readonly #args: readonly GoArgument[];
	#at = 0;
	#argument = 0;
	#isReordered = false;
	#isGoodIndex = true;
	#isDone = false;

	constructor(format: string, args: readonly GoArgument[]) {
		this.#format = format;
		this.#args = args;
	}

	next(): string | undefined {
		if (this.#at < this.#format.length) return this.#format[this.#at] === '%' ? this.#directive() : this.#literal();
		if (this.#isDone) return undefined;
		this.#isDone = true;
		return this.#leftOver();
	}

	#literal(): string {
		const end = this.#format.indexOf('%', this.#at);
		const text = this.#format.slice(this.#at, end < 0 ? undefined : end);
		this.#at += text.length;
		return text;
	}

	#directive(): string {
		this.#at++;
		this.#isGoodIndex = true;
		const directive = this.#flags();
		let notes = '';
		let isAfterIndex = this.#index();
		if (this.#format[this.#at] === '*') {
			this.#at++;
			directive.width = this.#starArgument();
			if (directive.width === undefined) notes += '%!(BADWIDTH)';
			else if (directive.width < 0) {
				directive.width = -directive.width;
				directive.minus = true;
				directive.zero = false;
			}
			isAfterIndex = false;
		} else {
			directive.width = this.#number();
			if (isAfterIndex && directive.width !== undefined) this.#isGoodIndex = false;
		}
		if (this.#format[this.#at] === '.' && this.#at + 1 < this.#format.length) {
			this.#at++;
			if (isAfterIndex) this.#isGoodIndex = false;
			isAfterIndex = this.#index();
			if (this.#format[this.#at] === '*') {
				this.#at++;
				const precision = this.#starArgument();
				directive.precision = precision !== undefined && precision < 0 ? undefined : precision;
				if (directive.precision === undefined) notes += '%!(BADPREC)';
				isAfterIndex = false;
			} else directive.precision = this.#number() ?? 0;
		}
		if (!isAfterIndex) this.#index();
		return notes + this.#verb(directive);
	}

	#flags(): Directive {
		const flags = /[#0+\- ]*/y;
		flags.lastIndex = this.#at;
		const text = flags.exec(this.#format)?.[0] ?? '';
		this.#at += text.length;
		return {
			sharp: text.includes('#'),
			zero: text.includes('0'),
			plus: text.includes('+'),
			minus: text.includes('-'),
			space: text.includes(' '),
			width: undefined,
			precision: undefined,
		};
	}

	/** Takes `[n]`; tells whether one was there and in order. */
	#index(): boolean {
		if (this.#format[this.#at] !== '[') return false;
		this.#isReordered = true;
		const rest = this.#format.slice(this.#at);
		const close = rest.indexOf(']');
		if (close < 0 || rest.length < 3) {
			this.#isGoodIndex = false;
			this.#at++;
			return false;
		}
		this.#at += close + 1;
		const inner = rest.slice(1, close);
		const isNumber = /^[0-9]+$/.test(inner) && isReadable(inner);
		if (isNumber && Number(inner) >= 1 && Number(inner) <= this.#args.length) {
			this.#argument = Number(inner) - 1;
			return true;
		}
		this.#isGoodIndex = false;
		return isNumber;
	}

	#number(): number | undefined {
		const digits = /[0-9]*/y;
		digits.lastIndex = this.#at;
		const text = digits.exec(this.#format)?.[0] ?? '';
		if (text === '') return undefined;
		if (!isReadable(text)) {
			this.#at = this.#format.length;
			return undefined;
		}
		this.#at += text.length;
		return Number(text);
	}

	/** The argument that a `*` stands for, or undefined where it's no integer within a million. */
	#starArgument(): number | undefined {
		const argument = this.#args[this.#argument];
		if (argument === undefined) return undefined;
		this.#argument++;
		if (argument.type !== 'int64' || argument.value > 1_000_000n || argument.value < -1_000_000n) return undefined;
		return Number(argument.value);
	}

	#verb(directive: Directive): string {
		const code = this.#format.codePointAt(this.#at);
		if (code === undefined) return '%!(NOVERB)';
		const verb = String.fromCodePoint(code);
		this.#at += verb.length;
		if (verb === '%') return '%';
		if (!this.#isGoodIndex) return `%!${verb}(BADINDEX)`;
		const argument = this.#args[this.#argument];
		if (argument === undefined) return `%!${verb}(MISSING)`;
		this.#argument++;
		return formatArgument(argument, verb, directive);
	}

	#leftOver(): string {
		if (this.#isReordered || this.#argument >= this.#args.length) return '';
		const plain: Directive = { sharp: false, zero: false, plus: false, minus: false, space: false, width: undefined, precision: undefined };
		const extras = this.#args.slice(this.#argument).map((argument) => `${argument.type}=${formatArgument(argument, 'v', plain)}`);
		return `%!(EXTRA ${extras.join(', ')})`;
	}
}

/** Go gives up on a number once it has passed a million and goes on. */
function isReadable(digits: string): boolean {
	return Number(digits.slice(0, -1)) <= 1_000_000;
}
