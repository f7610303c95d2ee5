/** One variable, or several in one expression: what its expansions may hold. */
interface Expression {
	readonly kind: 'expression';
	/** What an expansion begins with, unless it is empty. */
	readonly prefix: string;
	/** Whether it goes on over slashes. */
	readonly isOpen: boolean;
}

interface Literal {
	readonly kind: 'literal';
	readonly text: string;
}

type Part = Expression | Literal;

/** By operator. An upstream decides what a URI means: this only has to let through whatever an expansion can be. */
const EXPRESSIONS: Readonly<Record<string, Omit<Expression, 'kind'>>> = {
	'': { prefix: '', isOpen: false },
	'+': { prefix: '', isOpen: true },
	'#': { prefix: '#', isOpen: true },
	'.': { prefix: '.', isOpen: false },
	'/': { prefix: '/', isOpen: true },
	';': { prefix: ';', isOpen: false },
	'?': { prefix: '?', isOpen: true },
	'&': { prefix: '&', isOpen: true },
};

/** More than any server has: what goes beyond stands for itself alone. */
const MAX_EXPRESSIONS = 32;
const MAX_TEMPLATE_CHARACTERS = 512;

/**
 * A URI template (RFC 6570) read backwards: could this URI be one of its expansions? A plain `{variable}` stands for anything without a slash,
 * as in the SDKs. The work grows with the URI and the template and no faster, whatever an upstream makes of it.
 */
export class UriTemplate {
	readonly #parts: readonly Part[];

	constructor(template: string) {
		this.#parts = template.length > MAX_TEMPLATE_CHARACTERS ? [{ kind: 'literal', text: template }] : partsOf(template);
	}

	matches(uri: string): boolean {
		const [first] = this.#parts;
		if (first?.kind === 'literal' && !uri.startsWith(first.text)) return false;
		/** 1 where, after the parts so far, the rest of the URI may begin. */
		let starts = new Uint8Array(uri.length + 1);
		starts[0] = 1;
		for (const part of this.#parts) starts = part.kind === 'literal' ? afterLiteral(part, uri, starts) : afterExpression(part, uri, starts);
		return starts[uri.length] === 1;
	}
}

function partsOf(template: string): Part[] {
	let expressions = 0;
	return template.split(/(\{[^{}]*\})/).flatMap((text): Part[] => {
		if (text === '') return [];
		const [, operator] = /^\{([+#./;?&]?)[^{}]+\}$/.exec(text) ?? [];
		if (operator === undefined || ++expressions > MAX_EXPRESSIONS) return [{ kind: 'literal', text }];
		return [{ kind: 'expression', ...EXPRESSIONS[operator]! }];
	});
}

function afterLiteral({ text }: Literal, uri: string, starts: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
	const ends = new Uint8Array(starts.length);
	for (let at = starts.indexOf(1); at !== -1; at = starts.indexOf(1, at + 1)) if (uri.startsWith(text, at)) ends[at + text.length] = 1;
	return ends;
}

/** A variable that is not set leaves nothing behind, so that every start is an end too. */
function afterExpression({ prefix, isOpen }: Expression, uri: string, starts: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
	const ends = starts.slice();
	let isWithin = false;
	for (let at = 0; at < ends.length; at++) {
		if (prefix === '' ? starts[at] === 1 : starts[at - 1] === 1 && uri[at - 1] === prefix) isWithin = true;
		if (isWithin) ends[at] = 1;
		if (!isOpen && uri[at] === '/') isWithin = false;
	}
	return ends;
}
