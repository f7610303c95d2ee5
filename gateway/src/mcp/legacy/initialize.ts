import type { JsonObject, JsonValue } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import { withoutOwnMeta } from '../message.ts';
import { type LegacyVersion, negotiate } from './versions.ts';

/** What an agent says of itself when it initializes. */
export interface Introduction {
	readonly version: LegacyVersion;
	readonly name?: string;
	readonly clientVersion?: string;
	/** What it can be asked for. */
	readonly capabilities: JsonObject;
}

const MAX_NAME_CHARACTERS = 200;

/** @throws {ToolGateError} INVALID_PARAMS */
export function readIntroduction(params: JsonObject): Introduction {
	const { protocolVersion, clientInfo, capabilities } = params;
	if (typeof protocolVersion !== 'string') throw new ToolGateError('INVALID_PARAMS', 'params.protocolVersion is not a text');
	const info = isObject(clientInfo) ? clientInfo : {};
	const name = shortText(info['name']);
	const clientVersion = shortText(info['version']);
	return {
		version: negotiate(protocolVersion),
		capabilities: isObject(capabilities) ? capabilities : {},
		...(name === undefined ? {} : { name }),
		...(clientVersion === undefined ? {} : { clientVersion }),
	};
}

const shortText = (value: JsonValue | undefined): string | undefined =>
	typeof value === 'string' && value !== '' ? value.slice(0, MAX_NAME_CHARACTERS).toWellFormed() : undefined;

/**
 * The upstream's `initialize` result as this agent gets it: the version of our side, only the capabilities that are relayed, and whatever
 * else the upstream says of itself.
 */
export function initializeResult(version: LegacyVersion, upstream: JsonObject): JsonObject {
	return { ...withoutOwnMeta(upstream), protocolVersion: version, capabilities: relayed(isObject(upstream['capabilities']) ? upstream['capabilities'] : {}) };
}

/** Lists change with the policy too, whatever the upstream says of its own. */
function relayed({ logging, completions, tools, resources, prompts }: JsonObject): JsonObject {
	return {
		...(logging === undefined ? {} : { logging: {} }),
		...(completions === undefined ? {} : { completions: {} }),
		...(tools === undefined ? {} : { tools: { listChanged: true } }),
		...(resources === undefined ? {} : { resources: { listChanged: true, ...(isObject(resources) && resources['subscribe'] === true ? { subscribe: true } : {}) } }),
		...(prompts === undefined ? {} : { prompts: { listChanged: true } }),
	};
}
