import { compare, entriesOf, objectOf, RegoSet, type RegoValue } from '../rego-value.ts';
import { termText } from './go-quote.ts';
import { fail, isObject, present } from './operands.ts';

/**
 * A Rego value under edits by path, with the answers of OPA's edit tree. That is RFC 6902, and more: sets, keys of any type. One
 * departure from the RFC is kept because policies are tested against OPA: a step through an element of an array whose elements
 * have shifted finds the element that stood at this index at first.
 */
export class EditTree {
	#value: RegoValue | undefined;
	/** Objects and sets once stepped into: by the key's text, since keys may be of any type. */
	#members: Map<string, Member> | undefined;
	/** Arrays once stepped into: an edited element is a tree. */
	#slots: (EditTree | Untouched)[] | undefined;

	constructor(value: RegoValue) {
		this.#value = value;
	}

	insertAt(path: readonly RegoValue[], value: RegoValue): void {
		const key = path.at(-1);
		if (key === undefined) this.#reset(value);
		else this.#unfold(path.slice(0, -1)).#insert(key, value);
	}

	removeAt(path: readonly RegoValue[]): void {
		const key = path.at(-1);
		if (key !== undefined) this.#unfold(path.slice(0, -1)).#remove(key);
		else if (this.#value === undefined) fail();
		else this.#reset(undefined);
	}

	/** The value at a path, or undefined for a root that was removed. */
	renderAt(path: readonly RegoValue[]): RegoValue | undefined {
		return this.#unfold(path).render();
	}

	render(): RegoValue | undefined {
		if (this.#slots) return this.#slots.map((slot) => rendered(slot instanceof EditTree ? slot : slot.original));
		if (!this.#members) return this.#value;
		const members = [...this.#members.values()];
		if (this.#value instanceof RegoSet) return RegoSet.of(members.map(({ value }) => rendered(value)));
		return objectOf(members.map(({ key, value }): [RegoValue, RegoValue] => [key, rendered(value)]));
	}

	#reset(value: RegoValue | undefined): void {
		this.#value = value;
		this.#members = undefined;
		this.#slots = undefined;
	}

	#unfold([key, ...rest]: readonly RegoValue[]): EditTree {
		return key === undefined ? this : this.#child(key).#unfold(rest);
	}

	#child(key: RegoValue): EditTree {
		if (Array.isArray(this.#value)) return this.#element(this.#value, key);
		const member = this.#membersFor(key).get(termText(key)) ?? fail();
		if (!(member.value instanceof EditTree)) member.value = new EditTree(member.value);
		return member.value;
	}

	#element(original: readonly RegoValue[], key: RegoValue): EditTree {
		const slots = this.#slotsOf(original);
		const index = indexOf(key, slots.length);
		const slot = slots[index] ?? fail();
		if (slot instanceof EditTree) return slot;
		return (slots[index] = new EditTree(present(original[index])));
	}

	#insert(key: RegoValue, value: RegoValue): void {
		if (Array.isArray(this.#value)) {
			const slots = this.#slotsOf(this.#value);
			const index = indexOf(key, slots.length);
			if (index < 0 || index > slots.length) fail();
			slots.splice(index, 0, new EditTree(value));
			return;
		}
		if (this.#value instanceof RegoSet && compare(key, value) !== 0) fail();
		this.#membersFor(key).set(termText(key), { key, value });
	}

	#remove(key: RegoValue): void {
		if (Array.isArray(this.#value)) {
			const slots = this.#slotsOf(this.#value);
			const index = indexOf(key, slots.length);
			if (index < 0 || index >= slots.length) fail();
			slots.splice(index, 1);
		} else if (!this.#membersFor(key).delete(termText(key))) fail();
	}

	#slotsOf(original: readonly RegoValue[]): (EditTree | Untouched)[] {
		return (this.#slots ??= original.map((element) => ({ original: element })));
	}

	/** The members of an object or set. A set is keyed anew for a composite key, because its elements may have been edited. */
	#membersFor(key: RegoValue): Map<string, Member> {
		if (this.#value instanceof RegoSet) {
			if (this.#members && typeof key === 'object' && key !== null) {
				this.#value = present(this.render());
				this.#members = undefined;
			}
			const { items } = this.#value as RegoSet;
			return (this.#members ??= new Map(items.map((item) => [termText(item), { key: item, value: item }])));
		}
		if (!isObject(this.#value)) return fail();
		return (this.#members ??= new Map(entriesOf(this.#value).map(([name, value]) => [termText(name), { key: name, value }])));
	}
}

interface Member {
	readonly key: RegoValue;
	value: RegoValue | EditTree;
}

interface Untouched {
	readonly original: RegoValue;
}

function rendered(value: RegoValue | EditTree): RegoValue {
	return value instanceof EditTree ? present(value.render()) : value;
}

/** An index as OPA reads it: `-` is the end, a sign and a fraction of zeros are taken, other leading zeros aren't. */
function indexOf(key: RegoValue, length: number): number {
	if (key === '-') return length;
	if (typeof key === 'number' && Number.isInteger(key)) return key;
	if (typeof key !== 'string' || !/^[-+]?(?=.{1,19}$)[0-9]*\.?0*$/.test(key) || (key !== '0' && key.startsWith('0'))) return fail();
	return Math.trunc(Number(key === '.' || /^[-+]\.?$/.test(key) ? 0 : key));
}
