import { parseTime } from './go-time-parse.ts';
import { parseUrl, type GoUrl } from './go-url.ts';
import { parseAddress } from './ip-network.ts';
import { isMailAddress } from './mail-address.ts';
import { compile } from './regex.ts';

const rfc3339 = '2006-01-02T15:04:05Z07:00';
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const hostname = new RegExp(`^${label}(?:\\.${label})*$`);

const formats: Readonly<Record<string, (text: string) => boolean>> = {
	date: isTime('2006-01-02'),
	time: isTime('15:04:05Z07:00', '15:04:05'),
	'date-time': isTime('15:04:05', '15:04:05Z07:00', '2006-01-02', rfc3339),
	hostname: (text) => hostname.test(text) && text.length < 256,
	email: isMailAddress,
	'idn-email': isMailAddress,
	ipv4: (text) => text.includes('.') && parseAddress(text) !== undefined,
	ipv6: (text) => text.includes(':') && parseAddress(text) !== undefined,
	uri: (text) => (urlOf(text)?.scheme ?? '') !== '',
	'uri-reference': (text) => urlOf(text) !== undefined,
	iri: (text) => (urlOf(text)?.scheme ?? '') !== '',
	'iri-reference': (text) => urlOf(text) !== undefined,
	'uri-template': (text) => areBracesBalanced(urlOf(text)?.path),
	uuid: (text) => /^[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}$/i.test(text),
	regex: isRegex,
	'json-pointer': (text) => /^(?:\/(?:[^~/]|~0|~1)*)*$/.test(text),
	'relative-json-pointer': (text) => /^(?:0|[1-9][0-9]*)(?:#|(?:\/(?:[^~/]|~0|~1)*)*)$/.test(text),
};

/** Whether the text has a JSON Schema format; a format that isn't known always holds. */
export function hasFormat(text: string, format: string): boolean {
	return formats[format]?.(text) ?? true;
}

function isTime(...layouts: string[]): (text: string) => boolean {
	return (text) => layouts.some((layout) => parseTime(layout, text) !== undefined);
}

function urlOf(text: string): GoUrl | undefined {
	if (text.includes('\\')) return undefined;
	try {
		return parseUrl(text, String);
	} catch {
		return undefined;
	}
}

function areBracesBalanced(path: string | undefined): boolean {
	// Every { finds a } later.
	return path !== undefined && path.lastIndexOf('{') <= path.lastIndexOf('}');
}

function isRegex(text: string): boolean {
	try {
		compile(text);
		return true;
	} catch {
		return false;
	}
}
