import { ParameterError } from './errors.ts';

/** Decoded parameters; `metadata[order]=1` is `{ metadata: { order: '1' } }`. Objects have no prototype, so no key is special. */
export type Params = { [name: string]: string | Params };

/** Decodes Stripe's form encoding, of bodies and of query strings alike. */
export function parseForm(text: string): Params {
	const root = emptyParams();
	for (const [key, value] of new URLSearchParams(text)) {
		const path = /^[^[\]]+(\[[^[\]]*\])*$/.test(key) ? key.replaceAll(']', '').split('[') : [key];
		const last = path.pop() as string;
		let node = root;
		for (const step of path) {
			const next = (node[step] ??= emptyParams());
			if (typeof next === 'string') throw new ParameterError('Invalid object', step);
			node = next;
		}
		node[last] = value;
	}
	return root;
}

/** Refuses a parameter that an endpoint doesn't know, as Stripe does, so that a misspelt one is never ignored. */
export function allowOnly(params: Params, names: readonly string[]): void {
	for (const name of Object.keys(params)) {
		if (!names.includes(name)) throw new ParameterError(`Received unknown parameter: ${name}`, name, 'parameter_unknown');
	}
}

/** @returns the string, or undefined where it is absent */
export function text(params: Params, name: string): string | undefined {
	const value = params[name];
	if (value === undefined) return undefined;
	if (typeof value !== 'string') throw new ParameterError('Invalid string', name);
	if (value === '') {
		throw new ParameterError(
			`You passed an empty string for '${name}'. We assume empty values are an attempt to unset a parameter; however '${name}' cannot be unset.`,
			name,
			'parameter_invalid_empty',
		);
	}
	return value;
}

/** @returns an integer between `min` and `max`, or undefined where it is absent */
export function integer(params: Params, name: string, min: number, max: number): number | undefined {
	const value = text(params, name);
	if (value === undefined) return undefined;
	if (!/^-?\d{1,15}$/.test(value)) throw new ParameterError(`Invalid integer: ${value}`, name, 'parameter_invalid_integer');
	const number = Number(value);
	if (number < min) throw new ParameterError(`This value must be greater than or equal to ${min}.`, name, 'parameter_invalid_integer');
	if (number > max) throw new ParameterError(`This value must be less than or equal to ${max}.`, name, 'parameter_invalid_integer');
	return number;
}

/** @returns a flat object of strings, empty where it is absent */
export function stringMap(params: Params, name: string): Record<string, string> {
	const value = params[name] ?? {};
	if (typeof value === 'string' || Object.values(value).some((entry) => typeof entry !== 'string'))
		throw new ParameterError('Invalid object', name);
	return { ...(value as Record<string, string>) };
}

function emptyParams(): Params {
	return Object.create(null) as Params;
}
