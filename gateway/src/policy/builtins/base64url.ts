import { fail } from './operands.ts';

/** OPA's base64url decoding: padding may be missing, line breaks are skipped; fails for anything else that isn't base64url. */
export function decodeBase64Url(text: string): Buffer {
	const padding = text.endsWith('=') ? '' : (['', undefined, '==', '='][Buffer.byteLength(text) % 4] ?? fail());
	const encoded = (text + padding).replaceAll(/[\r\n]/g, '');
	if (!/^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?$/.test(encoded)) fail();
	return Buffer.from(encoded, 'base64url');
}
