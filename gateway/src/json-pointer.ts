import type { JsonValue } from './domain.ts';

/** The steps of a JSON Pointer (RFC 6901), or undefined when it isn't one. */
export function pointerSteps(pointer: string): string[] | undefined {
	if (pointer === '') return [];
	if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined;
	return pointer
		.slice(1)
		.split('/')
		.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** A JSON Pointer from its steps. */
export function pointerOf(steps: readonly (string | number)[]): string {
	return steps.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The value a JSON Pointer names, or undefined where there is none. */
export function valueAt(value: JsonValue, pointer: string): JsonValue | undefined {
	const steps = pointerSteps(pointer);
	if (steps === undefined) return undefined;
	let at: JsonValue | undefined = value;
	for (const step of steps) {
		if (Array.isArray(at)) at = /^(0|[1-9][0-9]*)$/.test(step) ? at[Number(step)] : undefined;
		else if (at !== null && typeof at === 'object' && Object.hasOwn(at, step)) at = at[step];
		else return undefined;
		if (at === undefined) return undefined;
	}
	return at;
}

export function numberAt(value: JsonValue, pointer: string): number | undefined {
	const at = valueAt(value, pointer);
	return typeof at === 'number' ? at : undefined;
}
