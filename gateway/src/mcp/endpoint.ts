import type { JsonObject } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { CallCap } from './call-cap.ts';
import { demandAgreement, eraOf } from './era.ts';
import type { Exchange, HttpAnswer, ListKind, PostAnswer } from './exchange.ts';
import { LegacyEndpoint, type LegacyOptions } from './legacy/endpoint.ts';
import { readBody } from './read-body.ts';

export interface McpOptions extends LegacyOptions {
	/** Decided requests of one principal at once; more are refused as `overloaded`. */
	readonly callsPerPrincipal: number;
	/** Nesting of JSON in a message. */
	readonly jsonDepth: number;
}

const EVERY_LIST: ReadonlySet<ListKind> = new Set(['tools', 'resources', 'prompts']);

/** `/mcp`: reads one message strictly, finds its era, and hands it on. */
export class McpEndpoint {
	readonly #jsonDepth: number;
	readonly #legacy: LegacyEndpoint;

	constructor(options: McpOptions) {
		this.#jsonDepth = options.jsonDepth;
		this.#legacy = new LegacyEndpoint(options, new CallCap(options.gate, options.callsPerPrincipal));
	}

	get sessionCount(): number {
		return this.#legacy.sessionCount;
	}

	/** @throws {StrictJsonError}; {ToolGateError} with the HTTP status of its entry */
	async post(bytes: Uint8Array, exchange: Exchange): Promise<PostAnswer> {
		const { message, unreadable } = readBody(bytes, this.#jsonDepth);
		if (eraOf(message) === 'modern') {
			throw new ToolGateError('PROTOCOL_VERSION', 'this revision of MCP is not spoken here; initialize a session with 2025-11-25');
		}
		demandAgreement(message, exchange.headers);
		return this.#legacy.post(message, exchange, unreadable);
	}

	/** @throws {ToolGateError} */
	get(exchange: Exchange): 'streamed' {
		return this.#legacy.get(exchange);
	}

	/** @throws {ToolGateError} */
	delete(exchange: Exchange): HttpAnswer {
		return this.#legacy.delete(exchange);
	}

	/** What some agent may ask for has changed: in an upstream, a pin, or (by default all of it) the policy. */
	listsChanged(changed: ReadonlySet<ListKind> = EVERY_LIST): void {
		this.#legacy.listsChanged(changed);
	}

	/** A notification that an upstream sent outside of calls, heard in the session of that agent session; its URIs are as agents know them. */
	notified(upstream: string, agentSessionId: string | undefined, message: JsonObject): void {
		this.#legacy.notified(upstream, agentSessionId, message);
	}

	/** Ends what would never end by itself; answers under way still go out, also as streams. */
	close(): void {
		this.#legacy.close();
	}
}
