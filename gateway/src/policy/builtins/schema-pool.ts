import type { RegoValue } from '../rego-value.ts';
import { isObject, type PlainObject } from './operands.ts';
import { metaSchema } from './schema-drafts.ts';

/** What is wrong with a schema, in the words of OPA's library (gojsonschema). */
export class SchemaError extends Error {}

/** A schema refers to what only the network has. Not an answer, because OPA would fetch it. */
export class RemoteReferenceError extends Error {}

/** 4, 6 or 7; `Infinity` is the mixture of all that applies where no draft is named. */
export type Draft = number;

interface PooledDocument {
	readonly document: RegoValue;
	readonly draft: Draft | undefined;
}

/** The documents and sub-schemas that references may name, by their absolute reference. */
export class SchemaPool {
	readonly #documents = new Map<string, PooledDocument>();
	readonly #references = new Map<PlainObject, string>();

	constructor(root: RegoValue) {
		this.#add(root, '');
	}

	/** Where an object's `$ref` points, seen from the `$id` it stands in. */
	referenceOf(schema: PlainObject): string | undefined {
		return this.#references.get(schema);
	}

	find(reference: string): PooledDocument {
		const known = this.#documents.get(reference);
		if (known) return known;
		const [base, fragment] = splitReference(reference);
		if (!this.#documents.has(base)) this.#load(base, reference);
		const holder = this.#documents.get(base);
		if (!holder) throw new SchemaError(`Reference ${reference} must be canonical`);
		const found = { document: followPointer(holder.document, fragment), draft: holder.draft };
		this.#documents.set(reference, found);
		return found;
	}

	#load(base: string, reference: string): void {
		if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(base)) throw new SchemaError(`Reference ${reference} must be canonical`);
		const document = metaSchema(base);
		if (document === undefined) throw new RemoteReferenceError(base);
		this.#add(document, base);
	}

	#add(document: RegoValue, reference: string): void {
		const draft = draftOf(document);
		this.#collect(document, reference, draft);
		this.#documents.set(reference, { document, draft });
	}

	#collect(node: RegoValue, base: string, draft: Draft | undefined): void {
		if (Array.isArray(node)) for (const element of node) this.#collect(element, base, draft);
		if (Array.isArray(node) || !isObject(node)) return;
		const object = node as PlainObject;
		const id = object['id'] === undefined ? object['$id'] : object['id'];
		let scope = base;
		if (typeof id === 'string') {
			scope = resolveReference(base, id);
			if (this.#documents.has(scope)) throw new SchemaError(`Reference already exists: "${scope}"`);
			this.#documents.set(scope, { document: node, draft });
		}
		const { $ref } = object;
		if (typeof $ref === 'string') this.#references.set(object, resolveReference(scope, $ref));
		for (const [key, value] of Object.entries(object)) {
			if (key === 'const' || key === 'enum') continue;
			// What these hold are names, which may well be "$ref" or "$id".
			const isNamed = key === 'properties' || key === 'dependencies' || key === 'patternProperties';
			if (!isNamed) this.#collect(value, scope, draft);
			else if (isObject(value)) for (const child of Object.values(value as PlainObject)) this.#collect(child, scope, draft);
		}
	}
}

/** The draft that `$schema` names; undefined where it names none that is known. */
export function draftOf(document: RegoValue): Draft | undefined {
	if (typeof document === 'boolean') return undefined;
	if (!isObject(document)) throw new SchemaError('schema is invalid');
	const { $schema } = document as PlainObject;
	if ($schema === undefined) return undefined;
	if (typeof $schema !== 'string') throw new SchemaError('$schema must be of type string');
	const draft = /^http:\/\/json-schema\.org\/draft-0([467])\/schema#?$/.exec($schema)?.[1];
	return draft === undefined ? undefined : Number(draft);
}

function splitReference(reference: string): [base: string, fragment: string] {
	const hash = reference.indexOf('#');
	return hash < 0 ? [reference, ''] : [reference.slice(0, hash), reference.slice(hash + 1)];
}

/** The absolute reference; an empty fragment is dropped. */
function resolveReference(base: string, reference: string): string {
	const [path, fragment] = splitReference(reference);
	const [root] = splitReference(base);
	const suffix = fragment === '' ? '' : `#${fragment}`;
	if (path === '') return root + suffix;
	if (/^[a-z][a-z0-9+.-]*:/i.test(path)) return path + suffix;
	if (/^[a-z][a-z0-9+.-]*:\/\//i.test(root)) return new URL(path, root).href + suffix;
	const relative = new URL(path, new URL(root, 'schema://host/'));
	return relative.pathname + relative.search + suffix;
}

/** A JSON Pointer from a fragment; anything that isn't one means the whole document, as in OPA's library. */
function followPointer(document: RegoValue, fragment: string): RegoValue {
	const pointer = decodeFragment(fragment);
	if (!pointer.startsWith('/')) return document;
	let node = document;
	for (const token of pointer.slice(1).split('/')) node = step(node, token);
	return node;
}

function step(node: RegoValue, token: string): RegoValue {
	if (Array.isArray(node)) {
		if (!/^[-+]?[0-9]+$/.test(token)) throw new SchemaError(`Invalid array index '${token}'`);
		const index = Number(token);
		return node[index] ?? outOfBound(node, index);
	}
	if (!isObject(node)) throw new SchemaError(`Invalid token reference '${token}'`);
	const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
	const value = (node as PlainObject)[key];
	if (value === undefined) throw new SchemaError(`Object has no key '${key}'`);
	return value;
}

function outOfBound(array: RegoValue[], index: number): RegoValue {
	if (index >= 0 && index < array.length) return null;
	throw new SchemaError(`Out of bound array[0,${array.length}] index '${index}'`);
}

function decodeFragment(fragment: string): string {
	try {
		return decodeURIComponent(fragment);
	} catch {
		return fragment;
	}
}
