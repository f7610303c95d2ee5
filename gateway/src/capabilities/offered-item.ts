import { digestOf } from '../canonical-json.ts';
import type { JsonObject } from '../domain.ts';
import { findConcealed } from './concealed.ts';
import type { Naming } from './naming.ts';

/** What upstreams offer besides tools. */
export const ITEM_KINDS = ['resource', 'resourceTemplate', 'prompt'] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

/** The member of a definition that names it. */
export const KEY_OF = { resource: 'uri', resourceTemplate: 'uriTemplate', prompt: 'name' } as const satisfies Record<ItemKind, string>;

/** A resource, a template of resources, or a prompt, as one upstream offers it. */
export interface Offered {
	readonly upstream: string;
	readonly kind: ItemKind;
	/** The upstream's own name of it: a URI, a URI template, or a name. */
	readonly name: string;
	/** What agents call it. */
	readonly listedName: string;
	/** As the upstream sent it; of a resource that it did not list only `uri`. */
	readonly definition: JsonObject;
	/** `sha256:<64 hex>` over the canonical JSON of the definition. */
	readonly digest: string;
	/** Always false: only tools are pinned. */
	readonly pinned: false;
	/** Why it is held back; absent when it is not. */
	readonly quarantine?: string;
}

/** Digest and verdict are worked out when somebody asks: some servers list ten thousand files. */
export class OfferedItem implements Offered {
	readonly upstream: string;
	readonly kind: ItemKind;
	readonly name: string;
	readonly listedName: string;
	readonly definition: JsonObject;
	readonly pinned = false;
	#digest: string | undefined;
	#isConcealing: boolean | undefined;

	constructor(kind: ItemKind, upstream: string, definition: JsonObject, naming: Naming) {
		this.kind = kind;
		this.upstream = upstream;
		this.name = definition[KEY_OF[kind]] as string;
		this.listedName = kind === 'prompt' ? naming.listedName(upstream, this.name) : naming.wrapUri(upstream, this.name);
		this.definition = definition;
	}

	get digest(): string {
		return (this.#digest ??= digestOf(this.definition));
	}

	get quarantine(): string | undefined {
		this.#isConcealing ??= findConcealed(this.definition) !== undefined;
		return this.#isConcealing ? 'its definition hides characters from the eye' : undefined;
	}
}
