import type { Caller, DecidedRequest, Item, JsonObject, Release, Tool } from '../domain.ts';
import { isObject } from '../json-object.ts';

export interface InputDeps {
	nowMs(): number;
	readonly environment: string;
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;

function timeInput(ms: number): JsonObject {
	const date = new Date(ms);
	return { ms: date.getTime(), iso: date.toISOString(), weekday: WEEKDAYS[date.getUTCDay()]!, hour: date.getUTCHours(), timezone: 'UTC' };
}

/** What the request is about, by the upstream's own names. All of it but the name is the upstream's word, and proof of nothing. */
function subjectOf(capability: Tool | Item): JsonObject {
	const { definition } = capability;
	switch (capability.kind) {
		case undefined:
			return {
				tool: {
					name: capability.name,
					annotations: isObject(definition['annotations']) ? definition['annotations'] : {},
					definitionDigest: capability.digest,
					pinned: capability.pinned,
				},
			};
		case 'resource':
			return { resource: { uri: definition['uri'] as string, ...texts(definition, 'name', 'mimeType') } };
		case 'resourceTemplate':
			return { resource: { uri: definition['uriTemplate'] as string, ...texts(definition, 'name', 'mimeType') } };
		case 'prompt':
			return { prompt: { name: definition['name'] as string } };
	}
}

const texts = (from: JsonObject, ...keys: string[]): JsonObject =>
	Object.fromEntries(
		keys.map((key) => [key, from[key]] as const).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
	);

/** The input document, version 1 (`policy/schemas/input.json`). Time is in it, so that a decision can be repeated. */
export function createInput({ nowMs, environment }: InputDeps) {
	const ofCapabilities = new WeakMap<Tool | Item, JsonObject>();

	/** What `list` sees of the caller, whatever is asked for. */
	function shared({ principal, agent }: Caller): JsonObject {
		return {
			version: 1,
			principal: { id: principal.id, kind: principal.kind, groups: [...principal.groups], claims: principal.claims },
			agent: { ...agent },
			time: timeInput(Math.floor(nowMs())),
			environment,
		};
	}

	/** What `list` sees of the thing, whoever asks: the same object each time. */
	function own(capability: Tool | Item): JsonObject {
		const known = ofCapabilities.get(capability);
		if (known !== undefined) return known;
		const made = { server: { name: capability.upstream }, ...subjectOf(capability) };
		ofCapabilities.set(capability, made);
		return made;
	}

	/** What `list` sees, for the list and before every call alike: nothing of session or arguments. */
	const list = (caller: Caller, capability: Tool | Item): JsonObject => ({ ...shared(caller), ...own(capability) });

	function call(request: DecidedRequest, capability: Tool | Item, argumentsDigest: string, releases: readonly Release[]): JsonObject {
		const { caller, message } = request;
		return {
			...list(caller, capability),
			method: message['method'] as string,
			session: { ...caller.session },
			arguments: request.arguments,
			argumentsDigest,
			argumentsBytes: request.argumentsBytes,
			approvals: releases.map((release) => ({
				...release,
				requirement: { ...release.requirement, approvers: [...release.requirement.approvers] },
				approvers: [...release.approvers],
			})),
		};
	}

	return { list, shared, own, call };
}

/** An input by hand, with what every input has filled in where it was left out. */
export function completeInput(input: JsonObject, nowMs: number): JsonObject {
	const part = (name: string, defaults: JsonObject): JsonObject => {
		const given = input[name];
		return { [name]: given === undefined || isObject(given) ? { ...defaults, ...given } : given };
	};
	return {
		version: 1,
		method: 'tools/call',
		environment: 'production',
		arguments: {},
		argumentsDigest: 'not given',
		approvals: [],
		argumentsBytes: Buffer.byteLength(JSON.stringify(input['arguments'] ?? {})),
		...input,
		...part('principal', { id: 'nobody', kind: 'user', groups: [], claims: {} }),
		...part('agent', { id: 'by hand' }),
		...part('session', { era: 'legacy' }),
		...part('server', {}),
		...(input['tool'] === undefined ? {} : part('tool', { annotations: {}, definitionDigest: 'not given', pinned: true })),
		...part('time', timeInput(nowMs)),
	};
}
