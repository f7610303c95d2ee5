import type { BuiltinContext } from '../builtins.ts';
import { compareStrings, emptyObject, entriesOf, type RegoValue, RegoSet } from '../rego-value.ts';
import { marshalJson } from './go-json.ts';
import { escapeQuery, parseUrl, unescapeQuery } from './go-url.ts';
import { fail, objectOperand, type PlainObject, stringOf, textOf } from './operands.ts';

/** Go refuses queries of more parameters. */
const maxParameters = 10_000;

export const encodingBuiltins = {
	'base64url.encode_no_pad': (_: BuiltinContext, text: RegoValue) => Buffer.from(stringOf(text)).toString('base64url'),
	'hex.encode': (_: BuiltinContext, text: RegoValue) => Buffer.from(stringOf(text)).toString('hex'),
	'hex.decode': (_: BuiltinContext, text: RegoValue) => {
		const digits = stringOf(text);
		return /^(?:[0-9a-fA-F]{2})*$/.test(digits) ? textOf(Buffer.from(digits, 'hex')) : fail();
	},
	'json.marshal_with_options': (_: BuiltinContext, value: RegoValue, options: RegoValue) => marshalWithOptions(value, options),
	'urlquery.encode': (_: BuiltinContext, text: RegoValue) => escapeQuery(stringOf(text)),
	'urlquery.decode': (_: BuiltinContext, text: RegoValue) => unescapeQuery(stringOf(text)),
	'urlquery.encode_object': (_: BuiltinContext, object: RegoValue) => encodeQuery(object),
	'urlquery.decode_object': (_: BuiltinContext, query: RegoValue) => decodeQuery(stringOf(query)),
	'uri.parse': (_: BuiltinContext, text: RegoValue) => uriParts(stringOf(text)),
	'uri.is_valid': (_: BuiltinContext, text: RegoValue) => typeof text === 'string' && text !== '' && isUrl(text),
};

function marshalWithOptions(value: RegoValue, options: RegoValue): string {
	let prefix = '';
	let indent = '\t';
	let isPretty: boolean | undefined;
	let hasStyle = false;
	for (const [key, option] of entriesOf(objectOperand(options))) {
		if (key === 'pretty') isPretty = typeof option === 'boolean' ? option : fail();
		else {
			if (key === 'prefix') prefix = stringOf(option);
			else if (key === 'indent') indent = stringOf(option);
			else fail();
			hasStyle = true;
		}
	}
	return (isPretty ?? hasStyle) ? prefix + marshalJson(value, { prefix, indent }) : marshalJson(value);
}

function encodeQuery(object: RegoValue): string {
	const pairs: string[] = [];
	const entries = entriesOf(objectOperand(object)).map(([key, value]): [string, RegoValue] => [
		typeof key === 'string' ? key : marshalJson(key),
		value,
	]);
	for (const [key, value] of entries.sort((a, b) => compareStrings(a[0], b[0]))) {
		const values = value instanceof RegoSet ? value.items : Array.isArray(value) ? value : [value];
		for (const item of values) pairs.push(`${escapeQuery(key)}=${escapeQuery(stringOf(item))}`);
	}
	return pairs.join('&');
}

function decodeQuery(query: string): RegoValue {
	const parameters = query.split('&');
	if (parameters.length > maxParameters) fail();
	const object: { [key: string]: string[] } = Object.create(null);
	for (const parameter of parameters) {
		if (parameter.includes(';')) fail();
		if (parameter === '') continue;
		const equals = parameter.indexOf('=');
		const key = unescapeQuery(equals < 0 ? parameter : parameter.slice(0, equals));
		const values = (object[key] ??= []);
		values.push(equals < 0 ? '' : unescapeQuery(parameter.slice(equals + 1)));
	}
	return object;
}

function uriParts(text: string): PlainObject {
	const url = parseUrl(text);
	const parts = emptyObject();
	if (url.scheme !== '') parts['scheme'] = url.scheme;
	if (url.hostname !== '') parts['hostname'] = url.hostname;
	if (url.port !== '') parts['port'] = url.port;
	if (url.path !== '') {
		parts['path'] = url.path;
		parts['raw_path'] = url.rawPath || url.path;
	}
	if (url.rawQuery !== '') parts['raw_query'] = url.rawQuery;
	if (url.fragment !== '') parts['fragment'] = url.fragment;
	return parts;
}

function isUrl(text: string): boolean {
	try {
		// Escapes that stand for no text make no invalid URI.
		parseUrl(text, String);
		return true;
	} catch {
		return false;
	}
}
