import { readFileSync } from 'node:fs';
import type { Config } from '../../config.ts';
import { ToolGateError } from '../../errors.ts';
import { KeyProblem, verificationKey } from '../jws.ts';
import type { TrustedKey, Verification } from '../signatures.ts';
import type { BundleSource } from './bundle-source.ts';
import { FileSource } from './file-source.ts';
import { HttpSource } from './http-source.ts';

type Settings = Pick<Config, 'policy' | 'opa'>;

/**
 * Where the configuration says that bundles come from, and what they have to be signed with.
 * @throws {ToolGateError} CONFIG: a key or certificate can't be read, or does not fit.
 */
export function policySourceOf({ policy, opa }: Settings): {
	source: BundleSource;
	verification?: Verification;
	labels: Readonly<Record<string, string>>;
} {
	const [named] = Object.entries(opa.bundles);
	const { labels } = opa;
	if (named === undefined)
		return { source: new FileSource(policy.bundle), ...verificationOf(opa, policy.signing, 'policy.signing'), labels };
	const [name, bundle] = named;
	return { source: httpSource(name, bundle, opa), ...verificationOf(opa, bundle.signing, `opa.bundles.${name}.signing`), labels };
}

function httpSource(
	name: string,
	{ service, resource = `bundles/${name}`, persist, polling, size_limit_bytes }: Config['opa']['bundles'][string],
	{ services }: Config['opa'],
): HttpSource {
	const serviceName = service ?? Object.keys(services)[0]!;
	const { url, headers, response_header_timeout_seconds, credentials, tls } = services[serviceName]!;
	const { bearer, client_tls } = credentials;
	const at = `opa.services.${serviceName}`;
	const holdSeconds = polling.long_polling_timeout_seconds;
	return new HttpSource({
		url: `${url!.replace(/\/+$/, '')}/${resource.replace(/^\/+/, '')}`,
		headers,
		...(bearer.token !== undefined
			? { token: { text: bearer.token } }
			: bearer.token_path !== undefined
				? { token: { file: bearer.token_path } }
				: {}),
		tls: {
			...(tls.ca_cert === undefined ? {} : { ca: read(tls.ca_cert, `${at}.tls.ca_cert`) }),
			...(client_tls.cert === undefined ? {} : { cert: read(client_tls.cert, `${at}.credentials.client_tls.cert`) }),
			...(client_tls.private_key === undefined ? {} : { key: read(client_tls.private_key, `${at}.credentials.client_tls.private_key`) }),
			...(client_tls.private_key_passphrase === undefined ? {} : { passphrase: client_tls.private_key_passphrase }),
		},
		minDelayMs: polling.min_delay_seconds * 1000,
		maxDelayMs: polling.max_delay_seconds * 1000,
		...(holdSeconds === 0 ? {} : { longPollMs: holdSeconds * 1000 }),
		timeoutMs: response_header_timeout_seconds * 1000,
		isPersisted: persist,
		maxBytes: size_limit_bytes,
	});
}

/** Nothing where no key is configured: bundles must not be signed then. */
export function verificationOf(
	{ keys }: Config['opa'],
	{ keyid, scope }: Config['policy']['signing'],
	at: string,
): { verification?: Verification } {
	const ids = Object.keys(keys);
	if (keyid !== undefined && !ids.includes(keyid))
		throw new ToolGateError('CONFIG', `${at}.keyid: there is no key ${keyid} under opa.keys`);
	if (ids.length === 0) {
		if (scope !== undefined) throw new ToolGateError('CONFIG', `${at}.scope: nothing is verified without a key under opa.keys`);
		return {};
	}
	const trusted = Object.fromEntries(Object.entries(keys).map(([id, key]) => [id, trustedKey(key, `opa.keys.${id}`)]));
	return { verification: { keys: trusted, ...(keyid === undefined ? {} : { keyid }), ...(scope === undefined ? {} : { scope }) } };
}

function trustedKey({ key, algorithm, scope, allow_hmac }: Config['opa']['keys'][string], at: string): TrustedKey {
	const text = algorithm.startsWith('HS') || key.includes('-----BEGIN') ? key : read(key, `${at}.key`);
	try {
		verificationKey(text, algorithm);
	} catch (error) {
		if (!(error instanceof KeyProblem)) throw error;
		throw new ToolGateError('CONFIG', `${at}: ${error.message}`);
	}
	return { key: text, algorithm, ...(scope === undefined ? {} : { scope }), allowHmac: allow_hmac };
}

function read(file: string, at: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch (cause) {
		throw new ToolGateError('CONFIG', `${at}: ${file} can't be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
	}
}
