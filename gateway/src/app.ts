import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { createApprovals } from './approvals/approvals.ts';
import { createProof } from './audit/proof.ts';
import { createTrail } from './audit/trail.ts';
import { createBudgets } from './budgets/budgets.ts';
import type { PathDeps } from './call-tool.ts';
import { Capabilities } from './capabilities/capabilities.ts';
import { createConceal } from './conceal.ts';
import { definitionHistory } from './capabilities/definition-history.ts';
import type { Config } from './config.ts';
import { configuredUpstreams } from './configured-upstreams.ts';
import type { TrailEvent } from './domain.ts';
import { createGate } from './gate.ts';
import { groupsOf, isNamedIn } from './groups.ts';
import { buildAgentsListener } from './http/agents.ts';
import { authenticator } from './http/authenticate.ts';
import { CONSOLE_FOLDER } from './http/console.ts';
import { larkActions } from './http/lark-actions.ts';
import { createMetrics } from './http/metrics.ts';
import { buildPeopleListener, type PartState } from './http/people.ts';
import { Oidc } from './http/sign-in/oidc.ts';
import { PeopleSessions } from './http/sign-in/sessions.ts';
import { Tokens } from './http/tokens.ts';
import { deriveKeys } from './keys.ts';
import { callbacksOf, larkOf, personByOpenId } from './lark.ts';
import { LeasedAdmission } from './leased-admission.ts';
import { McpEndpoint } from './mcp/endpoint.ts';
import { SqlSessionStore } from './mcp/legacy/session-store.ts';
import { Policy } from './policy/activation.ts';
import { createInput } from './policy/input.ts';
import { activationEvent, policyNews } from './policy/news.ts';
import { ObligationDesk } from './policy/obligations.ts';
import { policySourceOf } from './policy/sources/policy-source.ts';
import { policyState, storeSays, upstreamState } from './readiness.ts';
import { recheck } from './recheck.ts';
import { deploymentKey } from './store/deployment-key.ts';
import type { Store } from './store/sql.ts';
import { toolsView, visibilityHints } from './tools-view.ts';
import { Upstreams } from './upstreams/upstreams.ts';
import { version } from './version.ts';
import { wrapNotification } from './wrap-uris.ts';

export interface GatewayOptions {
	readonly store: Store;
	readonly operatorToken: string;
	/** Where approvers find the people listener, once it listens. */
	readonly peopleUrl: () => string;
	/** What went wrong where nobody waits for it. */
	readonly onFault: (error: unknown, callId?: string) => void;
	/** What operators want to know as it happens, one sentence; a problem is something to act on. */
	readonly onNews: (text: string, isProblem?: boolean) => void;
}

export interface Gateway {
	/** Not listening yet. */
	readonly agents: FastifyInstance;
	/** Not listening yet. */
	readonly people: FastifyInstance;
	/** The path of a new one-time link for the operator, behind the address of the people listener. */
	signInPath(): Promise<string>;
	readiness(): PartState[];
	/** Resolves when every upstream has been asked once what it offers, or after `withinMs`. */
	firstLook(withinMs: number): Promise<void>;
	/**
	 * Serves these upstreams from now on. Those that are as before notice nothing; sessions of agents reach new ones with the next call.
	 * @throws {ToolGateError} CONFIG, and nothing has changed.
	 */
	configureUpstreams(upstreams: Config['upstreams']): Promise<void>;
	/** Drains: calls in flight end, what they did is recorded; then the store is let go. */
	close(): Promise<void>;
}

/**
 * The composition root: chooses every part and joins them. Nothing listens yet.
 * @throws {StoreUnavailable} {ToolGateError} CONFIG
 */
export async function buildGateway(config: Config, { store, operatorToken, peopleUrl, onFault, onNews }: GatewayOptions): Promise<Gateway> {
	const nowMs = () => store.nowMs();
	const keys = deriveKeys(await deploymentKey(store, config.key));
	let leased: LeasedAdmission | undefined;
	const proof = createProof({
		sql: store,
		keys,
		settings: config.audit,
		stream: () => (leased?.isHeld ? leased.stream : undefined),
		onNews,
		onFault,
	});
	const admission = (leased = await LeasedAdmission.open({ store, keys, onFault, onWritten: (count) => proof.checkpoints.written(count) }));
	await proof.retention.run();
	const record = (event: Omit<TrailEvent, 'version' | 'id' | 'timeMs'>) =>
		admission.refuse({ version: 1, id: randomUUID(), timeMs: nowMs(), ...event });

	const policy = new Policy({
		...policySourceOf(config),
		fuel: config.policy.fuel,
		keepIn: join(config.dataDir, 'policy'),
		onChange: async (status, change) => {
			onNews(policyNews(status, change), change === 'refused');
			mcp.listsChanged();
			await record(activationEvent(status, change)).catch(onFault);
		},
		onFault,
	});

	const upstreams = new Upstreams(configuredUpstreams(config.upstreams), {
		maxResultBytes: config.limits.resultBytes,
		version,
		onStale: (name) => capabilities.stale(name),
		onHealth: ({ name, state, why }) => onNews(`upstream ${name} is ${state}${why === undefined ? '' : `: ${why}`}`, state === 'down'),
		onLine: (name, line) => onNews(`upstream ${name} says: ${line}`),
	});
	const capabilities: Capabilities = new Capabilities({ sources: upstreams.all, settings: config.upstreams, sql: store });

	const larkNotifier = await larkOf(config, onNews);
	const approvals = await createApprovals({
		sql: store,
		stream: admission.stream,
		keys,
		notifiers: larkNotifier === undefined ? [] : [larkNotifier],
		holdMs: config.approvals.holdSeconds * 1000,
		maxOpen: config.approvals.maxOpen,
		urlOf: (id) => `${config.approvals.url ?? peopleUrl()}/approvals/${id}`,
		onFault,
	});
	const budgets = createBudgets({ sql: store, stream: admission.stream, conceal: createConceal(keys.keyedDigest), onFault });
	const trail = createTrail(store, proof.keys);
	const tokens = new Tokens(store);
	const sessions = new PeopleSessions(store);
	const memberships = groupsOf(config.people);
	/** Who is known by name, or by pattern. */
	const principals = async () => {
		const unauthenticated = config.auth.mode === 'none' ? [config.auth.default.principal] : [];
		const ofTokens = (await tokens.list()).flatMap(({ principal, revokedAtMs }) => (revokedAtMs === undefined ? [principal] : []));
		return [...new Set([...Object.keys(config.people), ...unauthenticated, ...ofTokens])];
	};
	const operator = { id: config.operator.as, groups: memberships(config.operator.as) };

	const input = createInput({ nowMs, environment: config.environment });
	const deps: PathDeps = {
		policy,
		input,
		obligations: new ObligationDesk({
			keyedDigest: keys.keyedDigest,
			fitsOutputSchema: (tool, result) =>
				!('structuredContent' in result) || capabilities.fitsOutputSchema(tool, result['structuredContent']),
		}),
		approvals,
		budgets,
		admission,
		upstreams,
		keyedDigest: keys.keyedDigest,
		limits: config.limits,
		nowMs,
		onFault,
	};
	const sessionLimits = {
		total: config.limits.sessions,
		perPrincipal: config.limits.sessionsPerPrincipal,
		idleMs: config.limits.sessionIdleMinutes * 60_000,
		ageMs: config.limits.sessionAgeHours * 3_600_000,
	};
	const mcp = new McpEndpoint({
		gate: createGate({ ...deps, input, capabilities, upstreams }),
		sessions: sessionLimits,
		sessionStore: new SqlSessionStore(store, sessionLimits),
		keys,
		callsPerPrincipal: config.limits.callsPerPrincipal,
		jsonDepth: config.limits.jsonDepth,
		keepAliveMs: 15_000,
		onDropped: (method) => metrics.dropped(method),
		onFault,
		nowMs,
	});
	capabilities.onListChanged((changed) => mcp.listsChanged(changed));
	upstreams.onNotification((upstream, agentSessionId, message) =>
		mcp.notified(
			upstream,
			agentSessionId,
			wrapNotification(message, (uri) => capabilities.naming.wrapUri(upstream, uri)),
		),
	);

	const readiness = (): PartState[] => [
		{
			part: 'store',
			isVital: true,
			isReady: admission.isHeld,
			says: admission.isHeld ? storeSays(store) : 'the database can not be reached; no call is served',
		},
		policyState(policy),
		...capabilities.status().map((seen) => upstreamState(seen, upstreams.health().find(({ name }) => name === seen.name)?.note)),
		...(proof.checkpoints.problem === undefined
			? []
			: [{ part: 'checkpoints', isVital: false, isReady: false, says: `kept in the database only: ${proof.checkpoints.problem}` }]),
		...hints().map((says) => ({ part: 'visibility', isVital: false, isReady: false, says })),
	];
	/** Under `auth.mode: none` it is known who will ask: say it when that principal would see nothing. */
	const hints = () =>
		config.auth.mode === 'none'
			? visibilityHints({ principalId: config.auth.default.principal, groupsOf: memberships, capabilities, policy, input })
			: [];
	const metrics = createMetrics({
		sessions: () => mcp.sessionCount,
		isReady: () => readiness().every(({ isReady, isVital }) => isReady || !isVital),
	});

	const agents = buildAgentsListener({
		boundHost: config.listen.agents.host,
		allowedHosts: config.http.allowedHosts,
		mcp,
		hasUpstream: (name) => upstreams.has(name),
		authenticate: authenticator({
			mode: config.auth.mode,
			fallback: config.auth.default,
			groupsOf: memberships,
			findToken: (hash) => tokens.find(hash),
			nowMs,
		}),
		limits: config.limits,
		...callbacksOf(
			config,
			(app, verifier) =>
				larkActions(app, {
					verifier,
					approvals,
					personOf: personByOpenId(config, memberships),
					recordRefused: (why) => record({ kind: 'approval', message: `Lark callback refused: ${why}` }).catch(onFault),
				}),
			nowMs,
		),
		onFault,
	});
	const people = buildPeopleListener({
		boundHost: config.listen.people.host,
		allowedHosts: config.http.allowedHosts,
		operatorToken,
		operator,
		approvals,
		trail: {
			...trail,
			async verify() {
				const report = { ...(await trail.verify()), durability: storeSays(store) };
				proof.verified(report);
				return report;
			},
		},
		proof,
		recheck: async (decisionId) =>
			recheck(
				(await trail.search({ decisionId }, { limit: 100 })).events.reverse(),
				policy.status().active === undefined ? undefined : policy.judge(),
			),
		policy,
		budgets,
		tokens,
		tools: {
			list: (principalId) => toolsView({ principalId, groupsOf: memberships, capabilities, policy, input, principals }),
			acceptable: (upstream, tool, digest) => capabilities.acceptable(upstream, tool, digest).digest,
			async accept(upstream, tool, digest) {
				const { name, listedName, pinned } = await capabilities.accept(upstream, tool, digest);
				return { upstream, name, listedName, digest, isPinned: pinned };
			},
		},
		recordAct: ({ what, message, detail, by }) =>
			record({ kind: 'operator', principal: by ?? operator.id, message: `${what}: ${message}`, detail }),
		consoleFolder: CONSOLE_FOLDER,
		sessions,
		// Cookies know no ports: two gateways on one host keep theirs apart by name.
		cookieName: `toolgate_${keys.id}`,
		keys,
		groupsOf: memberships,
		...oidcOf(config),
		...(config.approvals.url === undefined ? {} : { publicUrl: config.approvals.url }),
		definitionOf: (upstream, tool, digest) => definitionHistory(store, upstream, tool, digest),
		nowMs,
		onNews,
		readiness,
		metrics: () => metrics.text(),
		onFault,
	});

	await policy.start();
	await capabilities.start();

	return {
		agents,
		people,
		readiness,
		signInPath: async () => `/sign-in?code=${(await sessions.createLink(operator.id)).code}`,
		async firstLook(withinMs) {
			const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
			await Promise.race([late, Promise.all(upstreams.all.map(({ name }) => capabilities.refresh(name)))]);
		},
		async configureUpstreams(configured) {
			upstreams.configure(configuredUpstreams(configured));
			await capabilities.configure(upstreams.all, configured);
		},
		async close() {
			// Agents first, so that no new call comes; the trail last, so that every call that ran is in it.
			approvals.letGo();
			await agents.close();
			await upstreams.close();
			await approvals.close();
			await people.close();
			await Promise.all([policy.close(), capabilities.close()]);
			await admission.close();
			await proof.close();
			metrics.close();
			await store.close();
		},
	};
}

/** Absent unless an issuer is configured; who is named in `people` may come in. */
function oidcOf({ signIn, people }: Config): { oidc?: Oidc } {
	const { issuer, clientId, clientSecret, ...settings } = signIn.oidc;
	if (issuer === undefined || clientId === undefined) return {};
	return {
		oidc: new Oidc({ ...settings, issuer, clientId, ...(clientSecret === undefined ? {} : { clientSecret }), isKnown: isNamedIn(people) }),
	};
}
