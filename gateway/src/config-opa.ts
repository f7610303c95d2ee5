import { choice, flag, group, httpUrl, named, notYet, optionalText, text, textMap, type Value, whole } from './config-schema.ts';

/** The part of OPA's own configuration that concerns bundles, under OPA's names, so that what a control plane documents applies here. */

const NAME = { key: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, keyExpected: 'letters, digits, points, underscores and hyphens' };
const MiB = 1024 * 1024;
const DAY = 86_400;

const service = group(
	'One service that offers bundles.',
	{
		url: httpUrl('Its base URL.'),
		headers: textMap('Sent with every request to it.', { fallback: {}, isSecret: true }),
		response_header_timeout_seconds: whole('How long it may take to begin an answer.', { fallback: 10, min: 1, max: 3600 }),
		credentials: group(
			'How the gateway shows who it is.',
			{
				bearer: group(
					'By a bearer token.',
					{
						token: optionalText('The token.', { isSecret: true }),
						token_path: optionalText('A file that holds it, read before each request.'),
					},
					({ token, token_path }) =>
						token !== undefined && token_path !== undefined ? 'token and token_path exclude each other' : undefined,
				),
				client_tls: group(
					'By a client certificate.',
					{
						cert: optionalText('File of the certificate, in PEM.'),
						private_key: optionalText('File of its key, in PEM.'),
						private_key_passphrase: optionalText('Passphrase of the key.', { isSecret: true }),
					},
					({ cert, private_key }) =>
						(cert === undefined) !== (private_key === undefined) ? 'cert and private_key belong together' : undefined,
				),
			},
			({ bearer, client_tls }) =>
				client_tls.cert !== undefined && (bearer.token ?? bearer.token_path) !== undefined
					? 'expected one method: bearer or client_tls'
					: undefined,
		),
		tls: group('How the service is recognised.', {
			ca_cert: optionalText('File of the certificates that may sign its own, in PEM, in place of the well-known ones.'),
		}),
	},
	({ url }) => (url === undefined ? 'url is missing' : undefined),
);

export const signing = group(
	'What the signature of the bundle has to be. Keys stand under opa.keys; where there are any, an unsigned bundle is refused.',
	{
		keyid: optionalText('The key that counts; otherwise the signature names it.'),
		scope: optionalText("The scope that it is signed for; otherwise the key's own."),
	},
);

const bundle = group('The bundle.', {
	service: optionalText('Name of the service; the only one may be left out.'),
	resource: optionalText('Path below the URL of the service; otherwise bundles/<name>.'),
	signing,
	persist: flag('Keep the last good bundle in dataDir, and begin with it after a restart until the service answers.', { fallback: false }),
	polling: group(
		'When it is asked for.',
		{
			min_delay_seconds: whole('At least so long between two requests.', { fallback: 60, min: 1, max: DAY }),
			max_delay_seconds: whole('At most so long.', { fallback: 120, min: 1, max: DAY }),
			long_polling_timeout_seconds: whole('How long a service that can do so may hold a request until something is new; 0: not at all.', {
				fallback: 0,
				min: 0,
				max: 3600,
			}),
		},
		({ min_delay_seconds: min, max_delay_seconds: max }) => (max < min ? 'max_delay_seconds is less than min_delay_seconds' : undefined),
	),
	size_limit_bytes: whole('Of the download.', { fallback: 16 * MiB, min: 1024, max: 16 * MiB }),
});

const key = group(
	'One key that bundles are verified with.',
	{
		key: text('A public key or certificate in PEM, or the file that holds it; for HS256 and its kind the shared secret.', {
			fallback: '',
			isSecret: true,
		}),
		algorithm: choice(
			'The only algorithm that it verifies.',
			['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'HS256', 'HS384', 'HS512'],
			{
				fallback: 'RS256',
			},
		),
		scope: optionalText('What bundles have to be signed for.'),
		allow_hmac: flag('Accept HS256 and its kind: whoever verifies with such a key can sign with it.', { fallback: false }),
	},
	({ key: found, algorithm, allow_hmac }) =>
		found === ''
			? 'key is missing'
			: algorithm.startsWith('HS') && !allow_hmac
				? `${algorithm} needs a shared secret: whoever verifies with it can sign with it; say allow_hmac: true, or use a public key`
				: undefined,
);

export const opaSchema = group(
	"OPA's own configuration, under OPA's names.",
	{
		labels: textMap('Of this gateway; they stand in the status and in the record of each activation.', { fallback: {} }),
		services: named('Services that offer bundles.', service, NAME),
		bundles: named('The bundle, when it comes from a service and not from policy.bundle. One.', bundle, NAME),
		keys: named('Keys that bundles are signed with.', key, NAME),
		decision_logs: notYet('The trail is read over /api/audit.'),
		status: notYet('The status is read from /api/policy and /metrics.'),
	},
	({ bundles, services }) => {
		const [first, another] = Object.entries(bundles);
		if (another !== undefined) return 'bundles: expected one; put all rules into one bundle';
		if (first === undefined) return undefined;
		const [name, { service: wanted, resource }] = first;
		if (resource?.startsWith('file:')) return `bundles.${name}.resource: a file is named by policy.bundle`;
		const known = Object.keys(services);
		if (wanted === undefined && known.length !== 1)
			return `bundles.${name}.service: expected one of ${known.join(', ') || 'opa.services, which is empty'}`;
		if (wanted !== undefined && !known.includes(wanted)) return `bundles.${name}.service: there is no service ${wanted} under opa.services`;
		return undefined;
	},
);

export type OpaConfig = Value<typeof opaSchema>;

/** The same with absolute paths. */
export function withAbsolutePaths(opa: OpaConfig, absolute: (path: string) => string): OpaConfig {
	const path = (name: string | undefined) => (name === undefined ? undefined : absolute(name));
	return {
		...opa,
		services: mapped(opa.services, ({ credentials: { bearer, client_tls }, tls, ...rest }) => ({
			...rest,
			credentials: {
				bearer: { ...bearer, token_path: path(bearer.token_path) },
				client_tls: { ...client_tls, cert: path(client_tls.cert), private_key: path(client_tls.private_key) },
			},
			tls: { ca_cert: path(tls.ca_cert) },
		})),
		keys: mapped(opa.keys, (each) =>
			each.algorithm.startsWith('HS') || each.key.includes('-----BEGIN') ? each : { ...each, key: absolute(each.key) },
		),
	};
}

const mapped = <T, R>(named: Readonly<Record<string, T>>, change: (each: T) => R): Record<string, R> =>
	Object.fromEntries(Object.entries(named).map(([name, each]) => [name, change(each)]));
