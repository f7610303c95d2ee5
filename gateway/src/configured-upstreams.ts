import type { Config } from './config.ts';
import type { UpstreamSettings } from './upstreams/upstreams.ts';

/** The upstreams of the configuration, each with what its kind needs and nothing else. */
export function configuredUpstreams(upstreams: Config['upstreams']): Record<string, UpstreamSettings> {
	return Object.fromEntries(
		Object.entries(upstreams).map(([name, { url, headers, era, command, args, env, cwd, timeoutMs, serverRequests }]) => [
			name,
			command === undefined
				? { url: url!, headers, era, timeoutMs, serverRequests }
				: { command, args, env, cwd: cwd!, timeoutMs, serverRequests },
		]),
	);
}
