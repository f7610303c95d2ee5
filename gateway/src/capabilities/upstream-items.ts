import type { JsonObject } from '../domain.ts';
import type { ItemDefinitions } from './discovery.ts';
import type { Naming } from './naming.ts';
import { ITEM_KINDS, type ItemKind, OfferedItem } from './offered-item.ts';
import { UriTemplate } from './uri-template.ts';

/** So many of an upstream's templates say which resources there are, the first ones. */
const MAX_TEMPLATES = 100;
/** The longest unnamed ones are forgotten. */
const MAX_NAMED = 10_000;

interface Kept {
	readonly text: string;
	readonly definitions: readonly JsonObject[];
	items: ReadonlyMap<string, OfferedItem>;
}

const NONE: Kept = { text: '[]', definitions: [], items: new Map() };

/** The last good lists of one upstream besides its tools. */
export class UpstreamItems {
	readonly #upstream: string;
	readonly #kept: Record<ItemKind, Kept> = { resource: NONE, resourceTemplate: NONE, prompt: NONE };
	/** By their text. */
	#templates: ReadonlyMap<string, UriTemplate> = new Map();
	/** URIs that results have named, the last one at the end. */
	readonly #named = new Set<string>();

	constructor(upstream: string) {
		this.#upstream = upstream;
	}

	/** In the upstream's order, by its own name for each. */
	of(kind: ItemKind): ReadonlyMap<string, OfferedItem> {
		return this.#kept[kind].items;
	}

	/**
	 * The resource with this URI of the upstream's own. One that is not listed is found where a template says that there are such, as what the
	 * template says of them; and where a result has named it ("Resource Links"), as its URI alone.
	 */
	findResource(uri: string, naming: Naming): OfferedItem | undefined {
		const listed = this.of('resource').get(uri);
		if (listed !== undefined) return listed;
		const [template] = [...this.#templates].find(([, each]) => each.matches(uri)) ?? [];
		if (template === undefined && !this.#named.has(uri)) return undefined;
		const { uriTemplate: _, ...said } = template === undefined ? {} : this.of('resourceTemplate').get(template)!.definition;
		return new OfferedItem('resource', this.#upstream, { ...said, uri }, naming);
	}

	/** A result has named the resource. */
	named(uri: string): void {
		this.#named.delete(uri);
		this.#named.add(uri);
		if (this.#named.size > MAX_NAMED) this.#named.delete(this.#named.values().next().value!);
	}

	/** As they were sent; what another look could not read is as it was. */
	get definitions(): Required<ItemDefinitions> {
		const { resource, resourceTemplate, prompt } = this.#kept;
		return { resource: resource.definitions, resourceTemplate: resourceTemplate.definitions, prompt: prompt.definitions };
	}

	/** Takes over what was read; returns the kinds whose lists are different now. */
	adopt(read: ItemDefinitions, naming: Naming): ItemKind[] {
		return ITEM_KINDS.filter((kind) => {
			const definitions = read[kind];
			if (definitions === undefined) return false;
			const text = JSON.stringify(definitions);
			if (text === this.#kept[kind].text) return false;
			this.#kept[kind] = { text, definitions, items: this.#name(kind, definitions, naming) };
			if (kind === 'resourceTemplate')
				this.#templates = new Map(
					[...this.of(kind).keys()].slice(0, MAX_TEMPLATES).map((template) => [template, new UriTemplate(template)]),
				);
			return true;
		});
	}

	rename(naming: Naming): void {
		for (const kind of ITEM_KINDS)
			this.#kept[kind] = { ...this.#kept[kind], items: this.#name(kind, this.#kept[kind].definitions, naming) };
	}

	/** What is listed twice counts once: the first. */
	#name(kind: ItemKind, definitions: readonly JsonObject[], naming: Naming): ReadonlyMap<string, OfferedItem> {
		const items = new Map<string, OfferedItem>();
		for (const definition of definitions) {
			const item = new OfferedItem(kind, this.#upstream, definition, naming);
			if (!items.has(item.name)) items.set(item.name, item);
		}
		return items;
	}
}
