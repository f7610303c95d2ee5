import { callTool, type PathDeps } from './call-tool.ts';
import type { Capabilities } from './capabilities/capabilities.ts';
import type { DecidedRequest, Item, JsonObject, Outcome, Tool } from './domain.ts';
import { PolicyError, ToolGateError } from './errors.ts';
import { callEnded, type CallEnded } from './http/metrics.ts';
import { isObject } from './json-object.ts';
import { type Known, type ListMethod, listOffered, type ListOfferedDeps } from './list-offered.ts';
import type { AgentSession, Gate, KeptWishes } from './mcp/exchange.ts';
import { relayRequest } from './relay-request.ts';
import { answerable } from './input-required.ts';
import { parameterHeaders } from './upstreams/modern/parameter-headers.ts';
import type { Upstreams, Wish } from './upstreams/upstreams.ts';
import { version } from './version.ts';
import { isWithoutText } from './without-text.ts';
import { wrapResult } from './wrap-uris.ts';

export interface GateDeps extends PathDeps {
	readonly input: PathDeps['input'] & ListOfferedDeps['input'];
	readonly capabilities: Capabilities;
	readonly upstreams: Upstreams;
}

/** Of requests that nobody decides: an agent waits for no upstream longer than this. */
const SIDE_TIMEOUT_MS = 2_000;

/** What the agents' side asks of the rest of the gateway. */
export function createGate(deps: GateDeps): Gate {
	const { capabilities, upstreams, policy, input } = deps;
	/** Sessions in which an upstream was sent a call whose result is judged. */
	const judged = new Set<string>();
	const path: PathDeps = {
		...deps,
		upstreams: {
			async call(call) {
				if (call.sessionId !== undefined && isWithoutText(call.downstream)) judged.add(call.sessionId);
				return answerable(await upstreams.call(call), call, upstreams.mayAsk(call.upstream));
			},
		},
	};
	const within = (upstream: string | undefined) => (one: { readonly upstream: string } | undefined) =>
		one !== undefined && (upstream === undefined || one.upstream === upstream);
	const namesOf = (upstream: string | undefined) =>
		upstreams.all.map(({ name }) => name).filter((name) => upstream === undefined || name === upstream);

	const loggingUpstreams = (session: AgentSession) =>
		namesOf(session.upstream).filter((name) => 'logging' in capabilities.upstreamCapabilities(name));

	const offered: Readonly<Record<ListMethod, () => readonly (Tool | Item)[]>> = {
		'tools/list': () => capabilities.tools(),
		'resources/list': () => capabilities.resources(),
		'resources/templates/list': () => capabilities.resourceTemplates(),
		'prompts/list': () => capabilities.prompts(),
	};
	const known = (method: ListMethod, upstream: string | undefined): Known => {
		const statuses = capabilities.status().filter(({ name }) => upstream === undefined || name === upstream);
		if (statuses.length > 0 && statuses.every(({ state }) => state === 'down')) {
			throw new ToolGateError(
				'UPSTREAM_UNAVAILABLE',
				`${statuses.map(({ name, why }) => `${name} can't be reached (${why})`).join('; ')}, and nothing is cached`,
			);
		}
		return {
			offered: upstream === undefined ? offered[method]() : offered[method]().filter(within(upstream)),
			staleUpstreams: statuses.filter(({ state }) => state === 'cached').map(({ name }) => name),
		};
	};

	/** What agents name, where it is of the one upstream that they see. */
	const found = (upstream: string | undefined) => {
		const isWithin = within(upstream);
		const only = <T extends Tool | Item>(one: T | undefined): T | undefined => (isWithin(one) ? one : undefined);
		return {
			find: (name: string) => only(capabilities.find(name)),
			findPrompt: (name: string) => only(capabilities.findPrompt(name)),
			findResource: (uri: string) => only(capabilities.findResource(uri)),
			findTemplate: (uri: string) => only(capabilities.findTemplate(uri)),
		};
	};

	/** A request that nobody decides, to each of these upstreams; what they answer changes nothing. */
	const tellEach = async (session: AgentSession, names: readonly string[], message: JsonObject): Promise<void> => {
		const downstream = { notify: () => {}, cancelled: AbortSignal.timeout(SIDE_TIMEOUT_MS) };
		await Promise.all(
			names.map((upstream) =>
				upstreams.request({
					upstream,
					sessionId: session.id,
					principalId: session.principalId,
					era: 'legacy',
					message,
					timeoutMs: SIDE_TIMEOUT_MS,
					downstream,
				}),
			),
		);
	};

	/** What was granted to a session before, for whoever comes in place of the upstreams' sessions that knew it. */
	const wishesOf = (session: AgentSession, { logLevel, subscriptions }: KeptWishes): Wish[] => [
		...(logLevel === undefined ? [] : loggingUpstreams(session).map((upstream) => ({ upstream, message: setLevel(logLevel) }))),
		...subscriptions.flatMap((listedUri) => {
			const found = capabilities.naming.unwrapUri(listedUri);
			if (found === undefined) return [];
			const { upstream, uri } = found;
			return [{ upstream, message: { jsonrpc: '2.0', id: 0, method: 'resources/subscribe', params: { uri } } }];
		}),
	];

	return {
		hasUpstream: (name) => upstreams.all.some((upstream) => upstream.name === name),

		openSession: (session, params, kept) => upstreams.openSession(session.id, params, kept === undefined ? [] : wishesOf(session, kept)),

		async describe(upstream) {
			const names = namesOf(upstream);
			const [only] = names;
			if (only === undefined || names.length > 1) return together(names.map((name) => capabilities.initializeResult(name)));
			const cached = capabilities.initializeResult(only);
			if (cached !== undefined) return cached;
			await capabilities.refresh(only);
			const fresh = capabilities.initializeResult(only);
			if (fresh === undefined)
				throw new ToolGateError(
					'UPSTREAM_UNAVAILABLE',
					`the server ${only} can't be reached, and nothing is known of it yet; try again in a moment`,
				);
			return fresh;
		},

		list: (method, caller, params, upstream) =>
			listOffered(method, caller, params, upstream, { capabilities: { list: known }, policy, input }),

		async decide(request: DecidedRequest, upstream) {
			const began = performance.now();
			const method = request.message['method'] as string;
			let server: string | undefined;
			// The path looks again when a wait ends: the last look is the one that counts.
			const noted =
				<A extends unknown[], T extends Tool | Item>(find: (...args: A) => T | undefined) =>
				(...args: A): T | undefined => {
					const one = find(...args);
					server = one?.upstream ?? server;
					return one;
				};
			const { find, findPrompt, findResource, findTemplate } = found(upstream);
			const outcome =
				method === 'tools/call'
					? await callTool(request, { ...path, capabilities: { find: noted(find) } })
					: await relayRequest(request, {
							...path,
							capabilities: { findPrompt: noted(findPrompt), findResource: noted(findResource), findTemplate: noted(findTemplate) },
						});
			if (callEnded.hasSubscribers)
				callEnded.publish({ word: outcome.word, server, durationMs: performance.now() - began } satisfies CallEnded);
			return server === undefined ? outcome : wrapped(outcome, method, server);
		},

		parameterHeaders({ caller, name, arguments: args }, upstream) {
			const tool = found(upstream).find(name);
			const headers = tool === undefined ? [] : parameterHeaders(tool.definition, args);
			// Headers that are missing must not tell of a tool that is hidden.
			return tool !== undefined && headers.length > 0 && policy.judge().list(input.list(caller, tool)) ? headers : [];
		},

		isVisible(caller, listedUri) {
			const resource = capabilities.findResource(listedUri);
			try {
				return resource !== undefined && resource.quarantine === undefined && policy.judge().list(input.list(caller, resource));
			} catch (error) {
				if (error instanceof PolicyError) return false;
				throw error;
			}
		},

		mayHearTexts({ id }) {
			try {
				return !judged.has(id) && !policy.judge().mayJudgeResults;
			} catch (error) {
				if (error instanceof PolicyError) return false;
				throw error;
			}
		},

		async setLogLevel(session, level) {
			await tellEach(session, loggingUpstreams(session), setLevel(level));
		},

		async unsubscribe(session, listedUri) {
			const { upstream, uri } = capabilities.naming.unwrapUri(listedUri) ?? {};
			if (upstream === undefined || uri === undefined) return;
			await tellEach(session, [upstream], { jsonrpc: '2.0', id: 0, method: 'resources/unsubscribe', params: { uri } });
		},

		notify: (session, message) => upstreams.notify(session.id, message),

		sessionEnded({ id }) {
			judged.delete(id);
			void upstreams.closeSession(id);
		},
	};

	/** The outcome with the URIs in it as agents can ask for them; what it names they may ask for. */
	function wrapped(outcome: Outcome, method: string, upstream: string): Outcome {
		const { naming } = capabilities;
		if (outcome.kind !== 'answered' || !('result' in outcome.answer)) return outcome;
		const hasResources = 'resources' in capabilities.upstreamCapabilities(upstream);
		if (!naming.isPrefixed && !hasResources) return outcome;
		const wrap = (uri: string): string => {
			if (hasResources) capabilities.resourceNamed(upstream, uri);
			return naming.wrapUri(upstream, uri);
		};
		return { ...outcome, answer: { result: wrapResult(method, outcome.answer.result, wrap) } };
	}
}

/** What several upstreams say of themselves, as one: a capability that one of them has is there. Nobody knows what one has that was not asked yet. */
function together(all: readonly (JsonObject | undefined)[]): JsonObject {
	const capabilities: JsonObject = {};
	for (const one of all) {
		const declared = one === undefined ? UNKNOWN : isObject(one['capabilities']) ? one['capabilities'] : {};
		for (const [name, details] of Object.entries(declared))
			capabilities[name] = { ...(capabilities[name] as JsonObject | undefined), ...(isObject(details) ? details : {}) };
	}
	return { capabilities, serverInfo: { name: 'toolgate', version } };
}

const setLevel = (level: string): JsonObject => ({ jsonrpc: '2.0', id: 0, method: 'logging/setLevel', params: { level } });

const UNKNOWN: JsonObject = { tools: {}, resources: {}, prompts: {} };
