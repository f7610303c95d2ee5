import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { opaSchema, signing, withAbsolutePaths } from './config-opa.ts';
import { readYaml, type Origin } from './config-reader.ts';
import {
	address,
	choice,
	choices,
	flag,
	group,
	httpUrl,
	named,
	optionalText,
	postgresUrl,
	text,
	textMap,
	texts,
	type Value,
	whole,
} from './config-schema.ts';
import { ToolGateError } from './errors.ts';

const MiB = 1024 * 1024;
const SHORTEST_OPERATOR_TOKEN = 16;

/** Secrets that everybody can read in this repository: whoever knows them can answer a card. */
const isOfTheDemo = ({ appSecret, verificationToken }: { appSecret: string | undefined; verificationToken: string | undefined }): boolean =>
	appSecret === 'demo-secret' || verificationToken === 'demo-verification-token';

const upstream = group(
	'One MCP server behind the gateway: one that is reached at a url, or one that a command runs.',
	{
		url: httpUrl('Where it speaks Streamable HTTP.'),
		headers: textMap('Sent with every request to it, such as its own credentials; ${NAME} takes an environment variable.', {
			fallback: {},
			isSecret: true,
		}),
		command: optionalText(
			'Runs it as a child process that speaks MCP on its standard input and output; taken from PATH, or relative to cwd.',
		),
		args: texts('Arguments of the command.', { fallback: [] }),
		env: textMap(
			"Environment of the command. Nothing else of the gateway's is passed on but PATH, HOME, USER, LANG and TMPDIR; ${NAME} takes a variable.",
			{ fallback: {}, isSecret: true },
		),
		cwd: optionalText('Folder in which the command runs; by default the one of this file.'),
		era: choice(
			'Which MCP it speaks over HTTP: auto asks it; legacy has sessions (up to 2025-11-25), modern is 2026-07-28.',
			['auto', 'legacy', 'modern'],
			{ fallback: 'auto' },
		),
		timeoutMs: whole('How long one call may take; the time in which the agent is asked something does not count.', {
			fallback: 60_000,
			min: 1,
			max: 86_400_000,
		}),
		refreshSeconds: whole('How often its lists are read again.', { fallback: 60, min: 1, max: 86_400 }),
		pins: choice('Who accepts a new tool: the first sight of it, or an operator.', ['first-sight', 'operator'], {
			fallback: 'first-sight',
		}),
		serverRequests: choices('What it may ask of agents inside a call.', ['elicitation', 'sampling', 'roots'], {
			fallback: ['elicitation'],
		}),
	},
	({ url, command, args, env, cwd, headers, era }) => {
		if (url === undefined && command === undefined) return 'neither url nor command is set';
		if (url !== undefined && command !== undefined) return 'url and command are both set; expected one of them';
		const ofTheOther =
			url === undefined
				? { headers: Object.keys(headers).length > 0, era: era !== 'auto' }
				: { args: args.length > 0, env: Object.keys(env).length > 0, cwd: cwd !== undefined };
		const stray = Object.entries(ofTheOther).find(([, isSet]) => isSet)?.[0];
		return stray === undefined ? undefined : `${stray} goes with ${url === undefined ? 'url' : 'command'}, which is not set`;
	},
);

const person = group('One principal, or several by one * in the key.', {
	groups: texts('Groups that rules and approver lists name.', { fallback: [] }),
	larkOpenId: optionalText('The open_id of this person in Lark, so that a card can be answered.'),
});

/** The one schema of `toolgate.yaml`: every key optional, unknown keys are errors. */
export const schema = group('ToolGate', {
	upstreams: named('MCP servers by name.', upstream, {
		key: /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
		keyExpected: 'lower-case letters, digits and hyphens',
	}),
	policy: group('Where the decisions come from.', {
		signing,
		bundle: text('An OPA bundle: a .tar.gz, or a folder that holds one unpacked.', {
			fallback: 'bundles/toolgate.tar.gz',
			env: 'TOOLGATE_POLICY_BUNDLE',
		}),
		fuel: whole('Units of work that one evaluation may take.', { fallback: 2_000_000, min: 10_000, max: 1_000_000_000 }),
	}),
	opa: opaSchema,
	listen: group('The two listeners.', {
		agents: address('For agents: /mcp.', { fallback: { host: '127.0.0.1', port: 18080 }, env: 'TOOLGATE_LISTEN_AGENTS' }),
		people: address('For people: API, metrics, readiness.', {
			fallback: { host: '127.0.0.1', port: 18081 },
			env: 'TOOLGATE_LISTEN_PEOPLE',
		}),
	}),
	dataDir: text('Folder of the embedded database and the operator token.', { fallback: '.toolgate', env: 'TOOLGATE_DATA_DIR' }),
	store: group('The database.', {
		dsn: postgresUrl('A PostgreSQL URL; empty for the embedded database in dataDir.', {
			fallback: '',
			env: 'POSTGRES_DSN',
			isSecret: true,
		}),
	}),
	auth: group('Who agents are.', {
		mode: choice('none (loopback only) or token.', ['none', 'token'], { fallback: 'none', env: 'TOOLGATE_AUTH_MODE' }),
		allowUnauthenticated: flag('Serve without authentication on an address wider than loopback.', {
			fallback: false,
			env: 'TOOLGATE_ALLOW_UNAUTHENTICATED',
		}),
		default: group('Who calls under mode none, unless X-ToolGate headers say.', {
			principal: text('The principal.', { fallback: 'anonymous' }),
			agent: text('The agent.', { fallback: 'local' }),
		}),
	}),
	people: named('Groups of principals, and how approvers are contacted.', person, {
		key: /^[^\s*]*\*?[^\s*]*$/,
		keyExpected: 'an address, with at most one *',
	}),
	operator: group(
		'The operator.',
		{
			as: text('Whom the operator token and the sign-in link stand for.', { fallback: 'operator', env: 'TOOLGATE_OPERATOR_AS' }),
			token: optionalText('The operator token, 16 characters or more; otherwise made at first start in dataDir/operator.token.', {
				env: 'TOOLGATE_OPERATOR_TOKEN',
				isSecret: true,
			}),
		},
		({ token }) =>
			token !== undefined && token.length < SHORTEST_OPERATOR_TOKEN
				? `token has ${token.length} characters and could be guessed; it needs at least ${SHORTEST_OPERATOR_TOKEN}`
				: undefined,
	),
	signIn: group('How people sign in to the console, besides the link that toolgate sign-in prints.', {
		oidc: group(
			'An OpenID provider; off unless issuer is set. Its redirect address is <approvals.url>/sign-in/oidc/callback.',
			{
				issuer: httpUrl('The issuer; plain HTTP on loopback only.', { env: 'TOOLGATE_OIDC_ISSUER' }),
				clientId: optionalText('The client id of ToolGate there.', { env: 'TOOLGATE_OIDC_CLIENT_ID' }),
				clientSecret: optionalText('Its secret; none for a public client.', { env: 'TOOLGATE_OIDC_CLIENT_SECRET', isSecret: true }),
				scopes: texts('Asked for besides openid.', { fallback: ['email'] }),
				identityClaim: text('The claim that says who it is; email counts only when verified.', { fallback: 'email' }),
				groupsClaim: text('The claim with the groups of the person, added to those of people.', { fallback: 'groups' }),
				allowedGroups: texts('Whose members may come in; otherwise only who is named in people.', { fallback: [] }),
			},
			({ issuer, clientId }) => {
				if (issuer === undefined) return undefined;
				if (clientId === undefined) return 'issuer is set, so clientId has to be set too';
				const { protocol, hostname } = new URL(issuer);
				return protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''))
					? 'issuer: plain HTTP is for loopback only'
					: undefined;
			},
		),
	}),
	http: group('HTTP.', {
		allowedHosts: texts('Host names accepted besides the addresses bound.', { fallback: ['localhost'], env: 'TOOLGATE_ALLOWED_HOSTS' }),
	}),
	approvals: group('Approvals.', {
		holdSeconds: whole('How long a call is held while a person decides.', { fallback: 50, min: 1, max: 3600 }),
		maxOpen: whole('Open approvals per principal; more are refused.', { fallback: 20, min: 1, max: 10_000 }),
		url: httpUrl('Where approvers find the inbox; by default the people listener.', { env: 'TOOLGATE_APPROVALS_URL' }),
	}),
	audit: group('The audit trail.', {
		checkpoints: optionalText(
			'A second place for signed checkpoints, outside the database: a file that grows, or an http(s) URL that takes them by POST.',
			{ env: 'TOOLGATE_AUDIT_CHECKPOINTS', isSecret: true },
		),
		formerKeys: texts('Public keys, in PEM, that signed checkpoints before the deployment key was changed.', { fallback: [] }),
		retentionMonths: whole('Whole months that are kept besides the current one; 0 keeps everything.', { fallback: 0, min: 0, max: 1200 }),
	}),
	lark: group(
		'Approval cards in Lark; off unless appId is set.',
		{
			appId: optionalText('App id.', { env: 'LARK_APP_ID' }),
			appSecret: optionalText('App secret.', { env: 'LARK_APP_SECRET', isSecret: true }),
			chatId: optionalText('The chat that receives the cards.', { env: 'LARK_CHAT_ID' }),
			verificationToken: optionalText('Verifies card callbacks.', { env: 'LARK_VERIFICATION_TOKEN', isSecret: true }),
			encryptKey: optionalText('Verifies and decrypts event callbacks.', { env: 'LARK_ENCRYPT_KEY', isSecret: true }),
			apiBaseUrl: httpUrl('Where Lark is; unset: the real one.', { env: 'LARK_API_BASE_URL' }),
		},
		(lark) => {
			if (lark.appId === undefined) return undefined;
			if (lark.appSecret === undefined || lark.chatId === undefined)
				return `appId is set, so ${lark.appSecret === undefined ? 'appSecret' : 'chatId'} has to be set too`;
			// mock-lark speaks plain HTTP; the real Lark never does.
			return isOfTheDemo(lark) && lark.apiBaseUrl?.startsWith('http:') !== true
				? 'the secrets of the demo are public and serve mock-lark only; set those of your own Lark app'
				: undefined;
		},
	),
	limits: group('Limits.', {
		bodyBytes: whole('Of one request.', { fallback: 4 * MiB, min: 1024, max: 64 * MiB }),
		argumentsBytes: whole('Of the arguments that policy judges.', { fallback: 65_536, min: 256, max: 4 * MiB }),
		resultBytes: whole('Of one result.', { fallback: 10 * MiB, min: 1024, max: 256 * MiB }),
		jsonDepth: whole('Nesting of JSON.', { fallback: 64, min: 4, max: 1000 }),
		sessions: whole('Agent sessions in all.', { fallback: 10_000, min: 1, max: 1_000_000 }),
		sessionsPerPrincipal: whole('Agent sessions of one principal.', { fallback: 100, min: 1, max: 100_000 }),
		sessionIdleMinutes: whole('A session idle for longer ends.', { fallback: 30, min: 1, max: 10_080 }),
		sessionAgeHours: whole('A session older ends.', { fallback: 24, min: 1, max: 720 }),
		callsPerPrincipal: whole('Calls of one principal at once.', { fallback: 64, min: 1, max: 100_000 }),
	}),
	environment: text('Named in the policy input.', { fallback: 'production', env: 'TOOLGATE_ENVIRONMENT' }),
	key: optionalText('The deployment key: 64 hex digits; otherwise made at first start and kept with the store.', {
		env: 'TOOLGATE_KEY',
		isSecret: true,
	}),
	log: group('The log, on standard error.', {
		level: choice('How much.', ['error', 'warn', 'info', 'debug'], { fallback: 'info', env: 'TOOLGATE_LOG_LEVEL' }),
	}),
});

export type Config = Value<typeof schema>;

export interface LoadedConfig {
	readonly config: Config;
	/** The file, or undefined when only defaults and the environment speak. */
	readonly file: string | undefined;
	/** Where each leaf came from, by dotted path. */
	readonly origins: ReadonlyMap<string, Origin>;
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** What every command gets of the gateway's own environment, so that it finds programs and a place for files; never its secrets. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR'];

/**
 * Loads, validates and freezes the configuration. Without `file`, `toolgate.yaml` in the working folder where there is one.
 * @throws {ToolGateError} CONFIG: one line with file, line, key and what was expected; UNSAFE_BIND.
 */
export function loadConfig(file?: string, environment: Readonly<Record<string, string | undefined>> = process.env): LoadedConfig {
	const path = resolve(file ?? 'toolgate.yaml');
	const isThere = existsSync(path);
	if (!isThere && file !== undefined) throw new ToolGateError('CONFIG', `${file}: no such file; expected a ToolGate configuration in YAML`);
	let source = '';
	if (isThere) {
		try {
			source = readFileSync(path, 'utf8');
		} catch (cause) {
			throw new ToolGateError('CONFIG', `${path}: can't be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
		}
	}
	const { value, origins } = readYaml(schema, source, { file: file ?? 'toolgate.yaml', environment });
	const base = dirname(path);
	const absolute = (relative: string) => (isAbsolute(relative) ? relative : resolve(base, relative));
	const passedOn = Object.fromEntries(PASSED_ON.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
	const upstreams = Object.entries(value.upstreams).map(([name, each]) => {
		if (each.command === undefined) return [name, each];
		return [name, { ...each, cwd: absolute(each.cwd ?? '.'), env: { ...passedOn, ...each.env } }];
	});
	const config: Config = {
		...value,
		upstreams: Object.fromEntries(upstreams) as Config['upstreams'],
		dataDir: absolute(value.dataDir),
		policy: { ...value.policy, bundle: absolute(value.policy.bundle) },
		opa: withAbsolutePaths(value.opa, absolute),
		audit: { ...value.audit, ...placeOf(value.audit.checkpoints, absolute) },
	};
	refuseUnsafe(config);
	const bundleFrom = origins.get('policy.bundle')!.from;
	if (bundleFrom !== 'default' && Object.keys(value.opa.bundles).length > 0) {
		throw new ToolGateError('CONFIG', `policy.bundle (${bundleFrom}) and opa.bundles exclude each other: a bundle comes from one place`);
	}
	return { config: deepFreeze(config), file: isThere ? path : undefined, origins };
}

const placeOf = (checkpoints: string | undefined, absolute: (relative: string) => string): { checkpoints?: string } =>
	checkpoints === undefined ? {} : { checkpoints: /^https?:/.test(checkpoints) ? checkpoints : absolute(checkpoints) };

function refuseUnsafe({ auth, listen, lark, people, key }: Config): void {
	// The people listener demands the operator token wherever it is bound.
	if (!isLoopback(listen.agents.host) && auth.mode === 'none' && !auth.allowUnauthenticated) {
		throw new ToolGateError(
			'UNSAFE_BIND',
			`listen.agents binds ${listen.agents.host}, wider than loopback, while auth.mode is none: set auth.mode: token, or auth.allowUnauthenticated: true where the address is published on loopback only`,
		);
	}
	if (!isLoopback(listen.agents.host) && !auth.allowUnauthenticated && lark.appId !== undefined && isOfTheDemo(lark)) {
		throw new ToolGateError(
			'UNSAFE_BIND',
			`listen.agents binds ${listen.agents.host}, wider than loopback, with the public secrets of the demo in lark: set appSecret and verificationToken of your own`,
		);
	}
	refuseSharedOpenIds(people);
	if (key !== undefined && !/^[0-9a-f]{64}$/i.test(key))
		throw new ToolGateError('CONFIG', 'TOOLGATE_KEY: expected 64 hex digits (32 bytes)');
}

/** A click in Lark is one person's. */
function refuseSharedOpenIds(people: Config['people']): void {
	const owners = new Map<string, string>();
	for (const [id, { larkOpenId }] of Object.entries(people)) {
		if (larkOpenId === undefined) continue;
		if (id.includes('*')) throw new ToolGateError('CONFIG', `people.${id}: larkOpenId is for one person, not for a pattern`);
		const owner = owners.get(larkOpenId);
		if (owner !== undefined) throw new ToolGateError('CONFIG', `people.${id}: ${owner} has the larkOpenId ${larkOpenId} already`);
		owners.set(larkOpenId, id);
	}
}

function deepFreeze<T>(value: T): T {
	if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
		Object.freeze(value);
		for (const member of Object.values(value)) deepFreeze(member);
	}
	return value;
}

/** `config print`: one line per leaf with its value (secrets hidden) and where it came from. */
export function describeConfig({ config, origins }: LoadedConfig): { path: string; value: string; origin: string }[] {
	return [...origins].map(([path, origin]) => {
		const value = origin.path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config);
		const isSet = value !== undefined && value !== '';
		return { path, value: !isSet ? '' : origin.isSecret ? '••••' : JSON.stringify(value), origin: origin.from };
	});
}
