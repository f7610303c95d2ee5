/** Which agent sessions want to hear of which resources, where they share what is between the gateway and the upstream. */
export class Subscriptions {
	readonly #byUri = new Map<string, Set<string>>();

	/** True where nobody wanted it before. */
	add(uri: string, agentSessionId: string): boolean {
		const known = this.#byUri.get(uri);
		known?.add(agentSessionId);
		if (known === undefined) this.#byUri.set(uri, new Set([agentSessionId]));
		return known === undefined;
	}

	/** True where nobody wants it any more. */
	remove(uri: string, agentSessionId: string): boolean {
		const known = this.#byUri.get(uri);
		if (known?.delete(agentSessionId) !== true || known.size > 0) return false;
		this.#byUri.delete(uri);
		return true;
	}

	/** Forgets a session; returns what nobody wants any more. */
	drop(agentSessionId: string): string[] {
		return this.uris.filter((uri) => this.remove(uri, agentSessionId));
	}

	of(uri: string): readonly string[] {
		return [...(this.#byUri.get(uri) ?? [])];
	}

	get uris(): string[] {
		return [...this.#byUri.keys()];
	}
}
