import type { JsonObject } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import type { Gate, ListKind } from '../exchange.ts';
import { withoutOwnMeta } from '../message.ts';
import { isWanted } from './reply.ts';
import type { Session, Sessions } from './sessions.ts';

/** That a list has changed goes out at most this often. */
const CHANGED_EVERY_MS = 1_000;

/** What belongs to no request and goes to the standing streams of sessions. */
export class News {
	readonly #sessions: Sessions;
	readonly #gate: Pick<Gate, 'isVisible'>;
	#timer: NodeJS.Timeout | undefined;
	#changed = new Set<ListKind>();

	constructor(sessions: Sessions, gate: Pick<Gate, 'isVisible'>) {
		this.#sessions = sessions;
		this.#gate = gate;
	}

	/** Tells every agent that lists may have changed, of those it was offered; at most once a second, and the last change is never lost. */
	listsChanged(changed: ReadonlySet<ListKind>): void {
		for (const kind of changed) this.#changed.add(kind);
		if (this.#timer === undefined) this.#tell();
	}

	/** A notification that an upstream sent outside of calls, its URIs as agents know them. False when nobody here is to hear it. */
	relay(agentSessionId: string | undefined, upstream: string, message: JsonObject): boolean {
		const session = agentSessionId === undefined ? undefined : this.#sessions.get(agentSessionId);
		if (session?.standing === undefined || (session.upstream !== undefined && session.upstream !== upstream)) return false;
		const params = isObject(message['params']) ? withoutOwnMeta(message['params']) : {};
		if (!this.#isMeantFor(session, message['method'], params)) return false;
		session.standing.send({ ...message, params });
		return true;
	}

	close(): void {
		clearTimeout(this.#timer);
	}

	#isMeantFor(session: Session, method: unknown, params: JsonObject): boolean {
		switch (method) {
			case 'notifications/message':
				return isWanted(params['level'], session.logLevel);
			case 'notifications/elicitation/complete':
				return true;
			case 'notifications/resources/updated': {
				const { uri } = params;
				if (typeof uri !== 'string') return false;
				// An update may be about a part of what was subscribed to. Whether it may be seen is asked anew: rules change.
				const asked = [...session.subscriptions].find(([subscribed]) => uri === subscribed || uri.startsWith(subscribed.endsWith('/') ? subscribed : `${subscribed}/`));
				return asked !== undefined && this.#gate.isVisible(asked[1], asked[0]);
			}
			default:
				return false;
		}
	}

	#tell(): void {
		this.#timer = undefined;
		if (this.#changed.size === 0) return;
		const changed = this.#changed;
		this.#changed = new Set();
		for (const session of this.#sessions) {
			for (const kind of changed) if (kind in session.offers) session.standing?.send({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed` });
		}
		this.#timer = setTimeout(() => this.#tell(), CHANGED_EVERY_MS);
		this.#timer.unref();
	}
}
