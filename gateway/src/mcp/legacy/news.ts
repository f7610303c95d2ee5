import type { JsonObject } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import type { Gate, ListKind } from '../exchange.ts';
import { withoutOwnMeta } from '../message.ts';
import { isAbout } from '../subscribed.ts';
import { isWanted } from '../log-levels.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

/** What belongs to no request and goes to the standing streams of sessions. */
export class News {
	readonly #sessions: Sessions;
	readonly #gate: Pick<Gate, 'isVisible' | 'mayHearTexts'>;

	constructor(sessions: Sessions, gate: Pick<Gate, 'isVisible' | 'mayHearTexts'>) {
		this.#sessions = sessions;
		this.#gate = gate;
	}

	/** Tells every agent of the lists that it was offered. */
	listsChanged(changed: ReadonlySet<ListKind>): void {
		for (const session of this.#sessions) {
			for (const kind of changed)
				if (kind in session.offers) session.standing?.send({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed` });
		}
	}

	/** A notification that an upstream sent outside of calls, its URIs as agents know them. False when nobody here is to hear it. */
	relay(agentSessionId: string, upstream: string, message: JsonObject): boolean {
		const session = this.#sessions.get(agentSessionId);
		if (session?.standing === undefined || (session.upstream !== undefined && session.upstream !== upstream)) return false;
		const params = isObject(message['params']) ? withoutOwnMeta(message['params']) : {};
		if (!this.#isMeantFor(session, message['method'], params)) return false;
		session.standing.send({ ...message, params });
		return true;
	}

	#isMeantFor(session: Session, method: unknown, params: JsonObject): boolean {
		switch (method) {
			case 'notifications/message':
				return isWanted(params['level'], session.logLevel) && this.#gate.mayHearTexts(session);
			case 'notifications/elicitation/complete':
				return true;
			case 'notifications/resources/updated': {
				const { uri } = params;
				if (typeof uri !== 'string') return false;
				// Whether it may be seen is asked anew: rules change.
				const asked = [...session.subscriptions].find((subscribed) => isAbout(uri, subscribed));
				return asked !== undefined && session.caller !== undefined && this.#gate.isVisible(session.caller, asked);
			}
			default:
				return false;
		}
	}
}
