import { type Asked, decideAndRelay, type PathDeps } from './call-tool.ts';
import type { DecidedRequest, Item, JsonObject, Outcome } from './domain.ts';
import { refusals } from './refusals.ts';

/** What is decided besides `tools/call`. */
export const RELAYED_METHODS = ['resources/read', 'resources/subscribe', 'prompts/get', 'completion/complete'] as const;
export type RelayedMethod = (typeof RELAYED_METHODS)[number];

export const isRelayedMethod = (method: string): method is RelayedMethod => (RELAYED_METHODS as readonly string[]).includes(method);

/** What is offered, by the names that agents use. */
export interface OfferedItems {
	findResource(listedUri: string): Item | undefined;
	findTemplate(listedUriTemplate: string): Item | undefined;
	findPrompt(listedName: string): Item | undefined;
}

export interface RelayRequestDeps extends PathDeps {
	readonly capabilities: OfferedItems;
}

/** One request for a resource, a prompt or a completion, on the path of a tool call and to its recorded end. Never rejects. */
export async function relayRequest(request: DecidedRequest, { capabilities, ...deps }: RelayRequestDeps): Promise<Outcome> {
	const method = request.message['method'] as RelayedMethod;
	return decideAndRelay(request, deps, ASKED[method](request, capabilities));
}

const ASKED: Readonly<Record<RelayedMethod, (request: DecidedRequest, offered: OfferedItems) => Asked<Item>>> = {
	'resources/read': askedResource,
	'resources/subscribe': askedResource,
	'prompts/get': (request, offered) => ({
		noun: 'prompt',
		find: () => named(request, offered.findPrompt(request.name)),
		unknown: () => refusals.unknownPrompt(request.name),
		problem: noProblem,
		forwarded: ({ definition }, sent) =>
			withParams(request, { name: definition['name'] as string, ...('arguments' in paramsOf(request) ? { arguments: sent } : {}) }),
	}),
	'completion/complete': (request, offered) => {
		const ref = paramsOf(request)['ref'] as JsonObject;
		const isPrompt = ref['type'] === 'ref/prompt';
		return {
			noun: isPrompt ? 'prompt' : 'resource',
			find: () =>
				named(
					request,
					isPrompt ? offered.findPrompt(request.name) : (offered.findTemplate(request.name) ?? offered.findResource(request.name)),
				),
			unknown: () => (isPrompt ? refusals.unknownPrompt(request.name) : refusals.unknownResource(request.name)),
			problem: noProblem,
			forwarded: (item, sent) => withParams(request, { ...sent, ref: { ...ref, [isPrompt ? 'name' : 'uri']: ownName(item) } }),
		};
	},
};

function askedResource(request: DecidedRequest, offered: OfferedItems): Asked<Item> {
	return {
		noun: 'resource',
		find: () => named(request, offered.findResource(request.name)),
		unknown: () => refusals.unknownResource(request.name),
		problem: noProblem,
		forwarded: ({ definition }) => withParams(request, { uri: definition['uri'] as string }),
	};
}

/** What these take is described by no schema. */
const noProblem = (): undefined => undefined;

/** The item under the name by which the trail, approvals and budgets know it. */
function named(request: DecidedRequest, item: Item | undefined): Item | undefined {
	if (item === undefined) return undefined;
	const { kind, upstream, listedName, definition, digest, pinned, quarantine } = item;
	return {
		kind,
		upstream,
		name: `${String(request.message['method'])} ${ownName(item)}`,
		listedName,
		definition,
		digest,
		pinned,
		...(quarantine === undefined ? {} : { quarantine }),
	};
}

const OWN_NAME = { resource: 'uri', resourceTemplate: 'uriTemplate', prompt: 'name' } as const;

/** What the upstream itself calls it. */
const ownName = ({ kind, definition }: Item): string => definition[OWN_NAME[kind]] as string;

const paramsOf = ({ message }: DecidedRequest): JsonObject => message['params'] as JsonObject;

const withParams = (request: DecidedRequest, params: JsonObject): JsonObject => ({
	...request.message,
	params: { ...paramsOf(request), ...params },
});
