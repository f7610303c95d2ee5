/** Who waits for which channel's notifications. */
export class Listeners {
	readonly #byChannel = new Map<string, Set<(payload: string) => void>>();

	get channels(): string[] {
		return [...this.#byChannel.keys()];
	}

	/** True when the channel had no listener before. */
	add(channel: string, onPayload: (payload: string) => void): boolean {
		const known = this.#byChannel.get(channel);
		if (known) known.add(onPayload);
		else this.#byChannel.set(channel, new Set([onPayload]));
		return known === undefined;
	}

	/** True when the channel has no listener any more. */
	remove(channel: string, onPayload: (payload: string) => void): boolean {
		const known = this.#byChannel.get(channel);
		if (!known?.delete(onPayload) || known.size > 0) return false;
		return this.#byChannel.delete(channel);
	}

	dispatch(channel: string, payload: string): void {
		for (const onPayload of this.#byChannel.get(channel) ?? []) onPayload(payload);
	}

	/** After a reconnect: something may have been missed on every channel. */
	dispatchMissed(): void {
		for (const channel of this.channels) this.dispatch(channel, '');
	}
}
