/** The revision of the modern era that agents may speak. */
export const REVISION = '2026-07-28';

/** Revisions are dates; this one and whatever comes after it have no sessions. */
export const isModernRevision = (version: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(version) && version >= REVISION;

/** Keys of `_meta` in which every message says for itself what `initialize` said for a session ("Base Protocol"). */
export const META = {
	protocolVersion: 'io.modelcontextprotocol/protocolVersion',
	clientInfo: 'io.modelcontextprotocol/clientInfo',
	clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
	serverInfo: 'io.modelcontextprotocol/serverInfo',
	subscriptionId: 'io.modelcontextprotocol/subscriptionId',
	logLevel: 'io.modelcontextprotocol/logLevel',
} as const;
