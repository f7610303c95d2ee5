import { ToolGateError } from '../errors.ts';
import { demandAgreement, eraOf } from './era.ts';
import type { Exchange, HttpAnswer, PostAnswer } from './exchange.ts';
import { LegacyEndpoint, type LegacyOptions } from './legacy/endpoint.ts';
import { readBody } from './read-body.ts';

export interface McpOptions extends LegacyOptions {
	/** Nesting of JSON in a message. */
	readonly jsonDepth: number;
}

/** `/mcp`: reads one message strictly, finds its era, and hands it on. */
export class McpEndpoint {
	readonly #jsonDepth: number;
	readonly #legacy: LegacyEndpoint;

	constructor(options: McpOptions) {
		this.#jsonDepth = options.jsonDepth;
		this.#legacy = new LegacyEndpoint(options);
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

	/** What some agent may call has changed: in an upstream, a pin, or the policy. */
	toolsChanged(): void {
		this.#legacy.toolsChanged();
	}

	/** Ends what would never end by itself; answers under way still go out, also as streams. */
	close(): void {
		this.#legacy.close();
	}
}
