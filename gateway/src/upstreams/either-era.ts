import type { Era, JsonObject } from '../domain.ts';
import { Deadline, within } from './deadline.ts';
import type { Endpoint } from './http/endpoint.ts';
import { LegacyHttp } from './legacy/legacy-http.ts';
import type { Link, LinkOptions } from './link.ts';
import { ModernHttp, NotModern } from './modern/modern-http.ts';
import type { BoundCall, UpstreamAnswer } from './upstream-call.ts';

/**
 * An upstream whose eras are found by asking: `server/discover`, then `initialize`. One that speaks both is spoken to in the agent's era, and
 * for the gateway's own purposes in the modern one.
 */
export class EitherEra implements Link {
	readonly #links: Readonly<Record<Era, Link>>;
	#eras: readonly Era[] = [];
	#asking: Promise<JsonObject> | undefined;
	/** Agent sessions for which it could not be asked. */
	readonly #unopened = new Set<string>();
	/** It went away: what comes back may be another one. */
	#isDoubtful = false;
	/** A modern one is asked whether it is legacy too: a refusal of that is no fault. */
	#isTrying = false;

	constructor(endpoint: Endpoint, options: LinkOptions) {
		const onDown = (why: string) => {
			if (this.#isTrying) return;
			this.#isDoubtful = true;
			options.onDown(why);
		};
		this.#links = { modern: new ModernHttp(endpoint, { ...options, onDown }), legacy: new LegacyHttp(endpoint, { ...options, onDown }) };
	}

	/** Empty until it was asked. */
	get eras(): readonly Era[] {
		return this.#eras;
	}

	async introduction(): Promise<JsonObject> {
		const [era] = this.#eras;
		if (era === undefined || this.#isDoubtful) return this.#ask();
		return this.#links[era].introduction().catch((error) => {
			if (error instanceof NotModern) return this.#ask();
			throw error;
		});
	}

	async openSession(agentSessionId: string): Promise<void> {
		// Sessions are of the legacy era; one that can't be opened yet is opened by the first call.
		if (this.#eras.length === 0) await this.#ask().catch(() => {});
		if (this.#eras.length === 0) this.#unopened.add(agentSessionId);
		else await this.#linkFor('legacy').openSession(agentSessionId);
	}

	async closeSession(agentSessionId: string): Promise<void> {
		this.#unopened.delete(agentSessionId);
		await Promise.all([this.#links.modern.closeSession(agentSessionId), this.#links.legacy.closeSession(agentSessionId)]);
	}

	async call(call: BoundCall): Promise<UpstreamAnswer> {
		if (this.#eras.length > 0) return this.#linkFor(call.era).call(call);
		const deadline = new Deadline(call.timeoutMs);
		const failed = await within(
			this.#ask().then(
				() => '',
				(error: Error) => error.message,
			),
			deadline,
		);
		if (failed !== '')
			return { kind: 'not_sent', why: failed ?? `it did not say within ${call.timeoutMs} ms what it speaks`, isUnreachable: true };
		return this.#linkFor(call.era).call({ ...call, timeoutMs: deadline.leftMs });
	}

	notify(agentSessionId: string, message: JsonObject): void {
		this.#links.legacy.notify(agentSessionId, message);
	}

	async close(): Promise<void> {
		await Promise.all([this.#links.modern.close(), this.#links.legacy.close()]);
	}

	#linkFor(era: Era | undefined): Link {
		return this.#links[era !== undefined && this.#eras.includes(era) ? era : this.#eras[0]!];
	}

	#ask(): Promise<JsonObject> {
		this.#asking ??= this.#askEras()
			.then((introduction) => {
				for (const agentSessionId of this.#unopened) void this.#linkFor('legacy').openSession(agentSessionId);
				this.#unopened.clear();
				return introduction;
			})
			.finally(() => {
				this.#asking = undefined;
			});
		return this.#asking;
	}

	async #askEras(): Promise<JsonObject> {
		this.#isDoubtful = false;
		let modern: JsonObject | undefined;
		try {
			modern = await this.#links.modern.introduction();
		} catch (error) {
			// One that could not be reached has said nothing about eras.
			if (!(error instanceof NotModern)) throw error;
		}
		this.#isTrying = modern !== undefined;
		try {
			const legacy = await this.#links.legacy.introduction();
			this.#eras = modern === undefined ? ['legacy'] : ['modern', 'legacy'];
			return modern ?? legacy;
		} catch (error) {
			if (modern === undefined) throw error;
			this.#eras = ['modern'];
			return modern;
		} finally {
			this.#isTrying = false;
		}
	}
}
