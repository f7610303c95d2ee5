import type { BuiltinContext } from '../builtins.ts';
import { compare, RegoObject, RegoSet, type RegoValue } from '../rego-value.ts';
import { memberOf } from './collections.ts';
import { EditTree } from './edit-tree.ts';
import { arrayOf, fail, objectOperand, type PlainObject, present, stringOf } from './operands.ts';

/** Values and characters that the operations of one patch may insert: `copy` can double a document each time. */
const maxInserted = 1_000_000;

export const jsonPatchBuiltins = {
	'json.patch': (_: BuiltinContext, document: RegoValue, operations: RegoValue) => patch(document, arrayOf(operations)),
};

function patch(document: RegoValue, operations: RegoValue[]): RegoValue {
	const tree = new EditTree(document);
	let left = maxInserted;
	for (const element of operations) {
		const operation = objectOperand(element);
		const path = parsePath(present(memberOf(operation, 'path')));
		const insert = (value: RegoValue = fail()): void => {
			left -= sizeOf(value, left);
			if (left < 0) fail();
			tree.insertAt(path, value);
		};
		switch (stringOf(memberOf(operation, 'op'))) {
			case 'add':
				insert(memberOf(operation, 'value'));
				break;
			case 'remove':
				tree.removeAt(path);
				break;
			case 'replace':
				tree.removeAt(path);
				insert(memberOf(operation, 'value'));
				break;
			case 'move': {
				const from = fromPath(operation);
				const value = tree.renderAt(from);
				tree.removeAt(from);
				insert(value);
				break;
			}
			case 'copy':
				insert(tree.renderAt(fromPath(operation)));
				break;
			case 'test':
				if (compare(present(tree.renderAt(path)), present(memberOf(operation, 'value'))) !== 0) fail();
				break;
			default:
				fail();
		}
	}
	return present(tree.render());
}

function fromPath(operation: RegoObject | PlainObject): RegoValue[] {
	return parsePath(present(memberOf(operation, 'from')));
}

/** A JSON Pointer, read leniently (the first slash may be missing or repeated), or an array of keys of any type. */
function parsePath(path: RegoValue): RegoValue[] {
	if (Array.isArray(path)) return path;
	const text = stringOf(path);
	if (text === '') return [];
	const segments = text.replace(/^\/+/, '').split('/');
	return segments.map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Roughly what a value takes, counted no further than `limit`. */
function sizeOf(value: RegoValue, limit: number): number {
	if (typeof value === 'string') return 1 + value.length;
	if (typeof value !== 'object' || value === null) return 1;
	const parts = Array.isArray(value) ? value : value instanceof RegoSet ? value.items : membersIn(value);
	let size = 1;
	for (const part of parts) {
		size += sizeOf(part, limit - size);
		if (size > limit) break;
	}
	return size;
}

function membersIn(object: RegoObject | PlainObject): RegoValue[] {
	return object instanceof RegoObject ? object.entries : Object.entries(object).flat();
}
