import { parseAddress } from './ip-network.ts';

/** Whether Go's mail.ParseAddress takes the text: `a@b`, `Name <a@b>`, `"quoted"@[1.2.3.4]`, comments, a group of one. */
export function isMailAddress(text: string): boolean {
	const reader = new MailReader(text);
	return reader.address(true) === 1 && reader.skipComments() && reader.isAtEnd();
}

const atext = "!#-'*+\\-/-9=?A-Z^-~\\u0080-\\u{10ffff}";
const dotAtom = new RegExp(`[${atext}.]+`, 'uy');
const quotedString = /"(?:[!#-[\]-~ \t\u0080-\u{10ffff}]|\\[!-~ \t\u0080-\u{10ffff}])*"/uy;
const domainLiteral = /\[([!-Z^-~\u0080-\u{10ffff}]*)\]/uy;

class MailReader {
	readonly #text: string;
	#at = 0;

	constructor(text: string) {
		this.#text = text;
	}

	isAtEnd(): boolean {
		return this.#at >= this.#text.length;
	}

	/** Reads a mailbox or a group; the number of its addresses, or undefined where it's neither. */
	address(mayBeGroup: boolean): number | undefined {
		this.#skipSpace();
		if (this.isAtEnd()) return undefined;
		if (this.#addressSpec()) {
			this.#skipSpace();
			return !this.#take('(') || this.#comment() ? 1 : undefined;
		}
		if (this.#text[this.#at] !== '<' && !this.#phrase()) return undefined;
		this.#skipSpace();
		if (mayBeGroup && this.#take(':')) return this.#group();
		return this.#take('<') && this.#addressSpec() && this.#take('>') ? 1 : undefined;
	}

	skipComments(): boolean {
		this.#skipSpace();
		while (this.#take('(')) {
			if (!this.#comment()) return false;
			this.#skipSpace();
		}
		return true;
	}

	#addressSpec(): boolean {
		const start = this.#at;
		this.#skipSpace();
		const local = this.#text[this.#at] === '"' ? this.#match(quotedString) : this.#plainAtom();
		if (local !== undefined && local !== '""' && this.#take('@')) {
			this.#skipSpace();
			if (this.#text[this.#at] === '[' ? this.#literal() : this.#plainAtom() !== undefined) return true;
		}
		this.#at = start;
		return false;
	}

	#plainAtom(): string | undefined {
		const atom = this.#match(dotAtom);
		return atom === undefined || /^\.|\.\.|\.$/.test(atom) ? undefined : atom;
	}

	#literal(): boolean {
		const literal = this.#match(domainLiteral);
		return literal !== undefined && parseAddress(literal.slice(1, -1)) !== undefined;
	}

	/** Words; what comes after the first good one only ends them. */
	#phrase(): boolean {
		for (let count = 0; ; count++) {
			if (count > 0 && !this.skipComments()) return false;
			this.#skipSpace();
			if (this.isAtEnd()) return true;
			const word = this.#text[this.#at] === '"' ? this.#match(quotedString) : this.#match(dotAtom);
			if (word === undefined) return count > 0;
		}
	}

	#group(): number | undefined {
		this.#skipSpace();
		if (this.#take(';')) return this.skipComments() ? 0 : undefined;
		for (let count = 0; ; ) {
			this.#skipSpace();
			const members = this.address(false);
			if (members === undefined) return undefined;
			count += members;
			if (!this.skipComments()) return undefined;
			if (this.#take(';')) return this.skipComments() ? count : undefined;
			if (!this.#take(',')) return undefined;
		}
	}

	/** The rest of a comment, which may hold others. */
	#comment(): boolean {
		let depth = 1;
		for (; depth > 0 && !this.isAtEnd(); this.#at++) {
			const character = this.#text[this.#at];
			if (character === '\\' && this.#at + 1 < this.#text.length) this.#at++;
			else if (character === '(') depth++;
			else if (character === ')') depth--;
		}
		return depth === 0;
	}

	#skipSpace(): void {
		while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at++;
	}

	#take(character: string): boolean {
		if (this.#text[this.#at] !== character) return false;
		this.#at++;
		return true;
	}

	#match(pattern: RegExp): string | undefined {
		pattern.lastIndex = this.#at;
		const found = pattern.exec(this.#text)?.[0];
		this.#at += found?.length ?? 0;
		return found;
	}
}
