import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { stringOf } from './operands.ts';

export const hashBuiltins = {
	'crypto.md5': hash('md5'),
	'crypto.sha1': hash('sha1'),
	'crypto.sha256': hash('sha256'),
	'crypto.hmac.md5': hmac('md5'),
	'crypto.hmac.sha1': hmac('sha1'),
	'crypto.hmac.sha256': hmac('sha256'),
	'crypto.hmac.sha512': hmac('sha512'),
	'crypto.hmac.equal': (_: BuiltinContext, a: RegoValue, b: RegoValue) => {
		const left = Buffer.from(stringOf(a));
		const right = Buffer.from(stringOf(b));
		return left.length === right.length && timingSafeEqual(left, right);
	},
};

function hash(algorithm: string) {
	return (_: BuiltinContext, text: RegoValue) => createHash(algorithm).update(stringOf(text)).digest('hex');
}

function hmac(algorithm: string) {
	return (_: BuiltinContext, message: RegoValue, key: RegoValue) =>
		createHmac(algorithm, stringOf(key)).update(stringOf(message)).digest('hex');
}
