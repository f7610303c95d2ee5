import type { JsonObject } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { CallCap } from './call-cap.ts';
import { demandAgreement, eraOf, isModernHeader } from './era.ts';
import type { Exchange, HttpAnswer, ListKind, PostAnswer } from './exchange.ts';
import { LegacyEndpoint, type LegacyOptions } from './legacy/endpoint.ts';
import { ListChanges } from './list-changes.ts';
import { ModernEndpoint, type ModernOptions } from './modern/endpoint.ts';
import { readBody } from './read-body.ts';

export interface McpOptions extends LegacyOptions, ModernOptions {
	readonly sessions: LegacyOptions['sessions'];
	/** Decided requests of one principal at once; more are refused as `overloaded`. */
	readonly callsPerPrincipal: number;
	/** Nesting of JSON in a message. */
	readonly jsonDepth: number;
}

const EVERY_LIST: ReadonlySet<ListKind> = new Set(['tools', 'resources', 'prompts']);

/** `/mcp`: reads one message strictly, finds its era, and hands it on. */
export class McpEndpoint {
	readonly #jsonDepth: number;
	readonly #onDropped: (method: string) => void;
	readonly #legacy: LegacyEndpoint;
	readonly #modern: ModernEndpoint;
	readonly #listChanges: ListChanges;

	constructor(options: McpOptions) {
		const calls = new CallCap(options.gate, options.callsPerPrincipal);
		this.#jsonDepth = options.jsonDepth;
		this.#onDropped = options.onDropped;
		this.#legacy = new LegacyEndpoint(options, calls);
		this.#modern = new ModernEndpoint(options, calls);
		this.#listChanges = new ListChanges((changed) => {
			this.#legacy.listsChanged(changed);
			this.#modern.listsChanged(changed);
		});
	}

	get sessionCount(): number {
		return this.#legacy.sessionCount;
	}

	/** @throws {StrictJsonError}; {ToolGateError} with the HTTP status of its entry */
	async post(bytes: Uint8Array, exchange: Exchange): Promise<PostAnswer> {
		const { message, unreadable } = readBody(bytes, this.#jsonDepth);
		if (eraOf(message, exchange.headers) === 'modern' && message.kind !== 'response')
			return this.#modern.post(message, exchange, unreadable);
		demandAgreement(message, exchange.headers);
		return this.#legacy.post(message, exchange, unreadable);
	}

	/** @throws {ToolGateError} */
	async get(exchange: Exchange): Promise<'streamed'> {
		demandSessions(exchange);
		return this.#legacy.get(exchange);
	}

	/** @throws {ToolGateError} */
	async delete(exchange: Exchange): Promise<HttpAnswer> {
		demandSessions(exchange);
		return this.#legacy.delete(exchange);
	}

	/** What some agent may ask for has changed: in an upstream, a pin, or (by default all of it) the policy. */
	listsChanged(changed: ReadonlySet<ListKind> = EVERY_LIST): void {
		this.#listChanges.add(changed);
	}

	/** A notification that an upstream sent outside of calls, heard in the session of that agent session; its URIs are as agents know them. */
	notified(upstream: string, agentSessionId: string | undefined, message: JsonObject): void {
		const isHeard =
			agentSessionId !== undefined &&
			(this.#legacy.relay(agentSessionId, upstream, message) || this.#modern.relay(agentSessionId, message));
		if (!isHeard) this.#onDropped(String(message['method']));
	}

	/** Ends what would never end by itself; answers under way still go out, also as streams. */
	async close(): Promise<void> {
		this.#listChanges.close();
		this.#modern.close();
		await this.#legacy.close();
	}
}

/** GET and DELETE are about sessions. @throws {ToolGateError} METHOD_NOT_ALLOWED */
function demandSessions({ headers }: Exchange): void {
	if (isModernHeader(headers))
		throw new ToolGateError('METHOD_NOT_ALLOWED', 'this revision of MCP has no sessions: everything is asked with POST');
}
