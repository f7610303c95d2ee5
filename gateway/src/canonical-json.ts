import { createHash } from 'node:crypto';
import type { JsonValue } from './domain.ts';

/**
 * Canonical JSON (RFC 8785): keys sorted by UTF-16 code units, no white space, numbers as ECMAScript prints them.
 * Integers keep all their digits because the strict parser lets no others in.
 */
export function canonicalJson(value: JsonValue): string {
	if (value === null || typeof value !== 'object') return JSON.stringify(value);
	if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
	const members: string[] = [];
	for (const key of Object.keys(value).sort()) {
		const member = value[key];
		if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(member)}`);
	}
	return `{${members.join(',')}}`;
}

/** `sha256:<64 hex>` over canonical JSON: the digest of definitions and bundles. */
export function digestOf(value: JsonValue): string {
	return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}
