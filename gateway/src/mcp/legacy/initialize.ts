import type { JsonObject } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import { withoutOwnMeta } from '../message.ts';
import { relayedCapabilities } from '../relayed-capabilities.ts';
import { shortText } from '../short-text.ts';
import { type LegacyVersion, negotiate } from './versions.ts';

/** What an agent says of itself when it initializes. */
export interface Introduction {
	readonly version: LegacyVersion;
	readonly name?: string;
	readonly clientVersion?: string;
	/** What it can be asked for. */
	readonly capabilities: JsonObject;
}

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

/**
 * The upstream's `initialize` result as this agent gets it: the version of our side, only the capabilities that are relayed, and whatever
 * else the upstream says of itself.
 */
export function initializeResult(version: LegacyVersion, upstream: JsonObject): JsonObject {
	return { ...withoutOwnMeta(upstream), protocolVersion: version, capabilities: relayedCapabilities(upstream) };
}
