/**
 * The names under which agents know what upstreams offer. One upstream: its own names. Several: `<upstream>__<name>` for tools and prompts,
 * `toolgate+<upstream>:<uri>` for resources and their templates.
 */
export class Naming {
	readonly #upstreams: ReadonlySet<string>;

	constructor(upstreams: Iterable<string>) {
		this.#upstreams = new Set(upstreams);
	}

	/** Whether names are told apart by upstream. */
	get isPrefixed(): boolean {
		return this.#upstreams.size > 1;
	}

	/** What agents call a tool or prompt. */
	listedName(upstream: string, name: string): string {
		return this.isPrefixed ? `${upstream}__${name}` : name;
	}

	/** What agents call a resource, or a template of resources: wherever an upstream says a URI in a result or notification, too. */
	wrapUri(upstream: string, uri: string): string {
		return this.isPrefixed ? `toolgate+${upstream}:${uri}` : uri;
	}

	/** Whose resource it is that an agent names, and what its upstream calls it. Undefined: nobody's. */
	unwrapUri(listedUri: string): { readonly upstream: string; readonly uri: string } | undefined {
		if (!this.isPrefixed) {
			const [upstream] = this.#upstreams;
			return upstream === undefined ? undefined : { upstream, uri: listedUri };
		}
		const [, upstream = '', uri = ''] = /^toolgate\+([a-z0-9-]+):(.*)$/s.exec(listedUri) ?? [];
		return this.#upstreams.has(upstream) ? { upstream, uri } : undefined;
	}
}
