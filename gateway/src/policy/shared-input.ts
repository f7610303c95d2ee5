import type { JsonObject } from '../domain.ts';
import { objectText } from './input-text.ts';

/** An input that is text already. */
export class InputText {
	readonly text: string;
	/** Members of it, the time among them. */
	readonly shared: JsonObject;

	constructor(text: string, shared: JsonObject) {
		this.text = text;
		this.shared = shared;
	}
}

/** By the object, which must not change: a list of a thousand tools has a thousand, and they are asked about again and again. */
const texts = new WeakMap<JsonObject, string>();

function textOf(own: JsonObject): string {
	let text = texts.get(own);
	if (text === undefined) texts.set(own, (text = objectText(own, 'input')));
	return text;
}

/** Members that many inputs have in common. */
export class SharedInput {
	readonly #shared: JsonObject;
	/** Up to the brace that closes it. */
	readonly #head: string;

	/** @throws {BadInput} it is not what JSON can say */
	constructor(shared: JsonObject) {
		this.#shared = shared;
		this.#head = objectText(shared, 'input').slice(0, -1);
	}

	/** The input with these members too, of which none is among the shared ones; neither is empty. @throws {BadInput} */
	with(own: JsonObject): InputText {
		return new InputText(`${this.#head},${textOf(own).slice(1)}`, this.#shared);
	}
}
