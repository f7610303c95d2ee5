import type { JsonObject } from '../domain.ts';
import type { ItemDefinitions } from './discovery.ts';
import type { Naming } from './naming.ts';
import { ITEM_KINDS, type ItemKind, OfferedItem } from './offered-item.ts';

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

	constructor(upstream: string) {
		this.#upstream = upstream;
	}

	/** In the upstream's order, by its own name for each. */
	of(kind: ItemKind): ReadonlyMap<string, OfferedItem> {
		return this.#kept[kind].items;
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
