import type { JsonObject } from '../domain.ts';
import { isObject } from '../json-object.ts';

/**
 * What is relayed of the capabilities in an upstream's `initialize` result (or what says the same). Lists change with the policy too, whatever
 * the upstream says of its own.
 */
export function relayedCapabilities({ capabilities }: JsonObject): JsonObject {
	const { logging, completions, tools, resources, prompts } = isObject(capabilities) ? capabilities : {};
	return {
		...(logging === undefined ? {} : { logging: {} }),
		...(completions === undefined ? {} : { completions: {} }),
		...(tools === undefined ? {} : { tools: { listChanged: true } }),
		...(resources === undefined
			? {}
			: { resources: { listChanged: true, ...(isObject(resources) && resources['subscribe'] === true ? { subscribe: true } : {}) } }),
		...(prompts === undefined ? {} : { prompts: { listChanged: true } }),
	};
}
